"""console.review.appeals: filed once, decided by somebody else, in time, and only as the table says."""

import re

import pytest

from console.review import appeals, events
from console.review.present import appeal_list, prediction, reviewed_appeal, sent_appeal
from console.storage import Database, Row
from schemas.feedback.claims import PetsClaims
from schemas.problems import ProblemError
from schemas.review.appeals import AppealStep, NewAppeal
from tests.console.review.cases import KEY, NOW, claims, receive, say, take

CLAIM = "It is a Savannah."
DECISION = AppealStep(action="decide", decision="upheld", reason="The spots are those of a Bengal.")


def file(database: Database, found: PetsClaims, who: str | None = None, claim: str = CLAIM) -> tuple[Row, bool]:
    with database.transaction() as connection:
        given = NewAppeal(receipt="verified before", claim=claim)
        return appeals.file(connection, given, found, who=who, due_days=14, now=NOW)


def advance(
    database: Database, case: str, who: str, step: AppealStep | str, *, is_sender: bool = False, is_admin: bool = False
) -> Row:
    given = AppealStep.model_validate({"action": step}) if isinstance(step, str) else step
    with database.transaction() as connection:
        return appeals.advance(connection, case, given, who=who, is_sender=is_sender, is_admin=is_admin, now=NOW)


def refused(database: Database, case: str, who: str, step: AppealStep | str, **options: bool) -> str:
    """Return the kind of the problem of a step that is not allowed."""
    with pytest.raises(ProblemError) as raised:
        advance(database, case, who, step, **options)
    return raised.value.problem.type.rpartition(":")[2]


def test_an_appeal_goes_from_filed_to_decided(database: Database) -> None:
    row, is_new = file(database, claims())
    assert (is_new, row["state"], row["due"]) == (True, "open", NOW + 14 * 86_400)
    assert advance(database, row["id"], "ann", "assign")["assigned_to"] == "ann"
    decided = advance(database, row["id"], "ann", DECISION)
    assert (decided["state"], decided["reason"]) == ("upheld", DECISION.reason)
    with database.reading() as connection:
        steps = events.steps(connection, row["id"])
    assert [(step["number"], step["action"], step["who"]) for step in steps] == [
        (1, "file", "sender"),
        (2, "assign", "ann"),
        (3, "decide", "ann"),
    ]


def test_the_same_appeal_again_is_the_same_case(database: Database) -> None:
    found = claims()
    first, _ = file(database, found)
    again, is_new = file(database, found)
    assert (again["id"], is_new) == (first["id"], False)
    with pytest.raises(ProblemError, match="there is an appeal against this answer already"):
        file(database, found, claim="Other words.")


def test_a_case_number_can_be_read_out_and_a_token_cannot_be_guessed() -> None:
    numbers = {appeals.new_number() for _ in range(1_000)}
    assert len(numbers) == 1_000
    assert all(re.fullmatch(r"a-[0-9a-hjkmnp-tv-z]{4}-[0-9a-hjkmnp-tv-z]{4}", number) for number in numbers)
    token = appeals.token_of("a-0000-0000", KEY)
    assert re.fullmatch("[0-9a-f]{64}", token)
    assert token != appeals.token_of("a-0000-0001", KEY)
    assert token != appeals.token_of("a-0000-0000", KEY[::-1])


def test_whoever_answered_about_the_photo_decides_no_appeal(database: Database) -> None:
    found = claims()
    receive(database, found)
    take(database, "ann")
    say(database, found.id, "ann")
    row, _ = file(database, claims(photo=found.photo))  # another answer about the same photo
    assert refused(database, row["id"], "ann", "assign") == "forbidden"
    assert advance(database, row["id"], "bob", "assign")["assigned_to"] == "bob"


def test_an_answer_after_the_assignment_forbids_the_decision(database: Database) -> None:
    found = claims()
    receive(database, found)
    row, _ = file(database, found)
    advance(database, row["id"], "ann", "assign")
    take(database, "ann")
    say(database, found.id, "ann")
    assert refused(database, row["id"], "ann", DECISION) == "forbidden"
    advance(database, row["id"], "ann", "release")
    assert advance(database, row["id"], "bob", "assign")["state"] == "assigned"


def test_nobody_decides_their_own_appeal(database: Database) -> None:
    row, _ = file(database, claims(), who="shop")
    assert refused(database, row["id"], "shop", "assign") == "forbidden"


def test_one_reviewer_at_a_time_has_an_appeal(database: Database) -> None:
    row, _ = file(database, claims())
    assert refused(database, row["id"], "ann", DECISION) == "conflict"
    advance(database, row["id"], "ann", "assign")
    assert refused(database, row["id"], "bob", "assign") == "conflict"
    assert refused(database, row["id"], "bob", DECISION) == "conflict"
    assert refused(database, row["id"], "bob", "release") == "conflict"
    assert advance(database, row["id"], "root", "release", is_admin=True)["assigned_to"] is None


def test_only_the_sender_withdraws(database: Database) -> None:
    row, _ = file(database, claims())
    assert refused(database, row["id"], "ann", "withdraw") == "forbidden"
    assert advance(database, row["id"], "sender", "withdraw", is_sender=True)["state"] == "withdrawn"
    assert refused(database, row["id"], "ann", "assign") == "conflict"


def test_the_sender_decides_nothing(database: Database) -> None:
    """Also a reviewer who sent the appeal without a key, and so has its token."""
    row, _ = file(database, claims())
    assert refused(database, row["id"], "ann", "assign", is_sender=True) == "forbidden"
    advance(database, row["id"], "ann", "assign")
    assert refused(database, row["id"], "ann", DECISION, is_sender=True) == "forbidden"


def test_a_decision_is_final(database: Database) -> None:
    row, _ = file(database, claims())
    advance(database, row["id"], "ann", "assign")
    advance(database, row["id"], "ann", DECISION)
    for step in ("assign", "release", "withdraw", DECISION):
        assert refused(database, row["id"], "ann", step, is_sender=True) == "conflict"


def test_an_unknown_number_is_not_found(database: Database) -> None:
    assert refused(database, "a-0000-0000", "ann", "assign") == "not-found"


def test_the_sender_learns_no_names(database: Database) -> None:
    row, _ = file(database, claims(), who="shop")
    advance(database, row["id"], "ann", "assign")
    row = advance(database, row["id"], "ann", DECISION)
    with database.reading() as connection:
        seen = sent_appeal(connection, row, NOW)
        theirs = reviewed_appeal(connection, row, "ann", NOW, classes=[], has_photo=True)
    assert [step.who for step in seen.steps] == ["sender", "reviewer", "reviewer"]
    assert b'"ann"' not in seen.to_json()
    assert [step.who for step in theirs.steps] == ["shop", "ann", "ann"]


def test_the_photo_and_earlier_answers_are_for_whoever_it_is_assigned_to(database: Database) -> None:
    found = claims()
    receive(database, found)
    take(database, "cem")
    say(database, found.id, "cem", "Siamese")
    row, _ = file(database, found)
    row = advance(database, row["id"], "ann", "assign")
    with database.reading() as connection:
        mine = reviewed_appeal(connection, row, "ann", NOW, classes=["b", "a"], has_photo=True)
        theirs = reviewed_appeal(connection, row, "bob", NOW, classes=["b", "a"], has_photo=True)
    assert (mine.photo, mine.classes) == (f"/appeals/{row['id']}/photo", ["a", "b"])
    assert [given.breed for given in mine.opinions] == ["Siamese"]
    assert (theirs.photo, theirs.opinions, theirs.assigned_to) == (None, [], "ann")


def test_appeals_are_listed_by_due_date_with_those_that_are_late(database: Database) -> None:
    first, _ = file(database, claims())
    second, _ = file(database, claims())
    advance(database, second["id"], "ann", "assign")
    advance(database, second["id"], "ann", DECISION)
    with database.reading() as connection:
        before = appeal_list(connection, "ann", NOW)
        after = appeal_list(connection, "ann", NOW + 15 * 86_400)
    assert [(row.case, row.overdue, row.may_decide) for row in before.appeals] == [(first["id"], False, True)]
    assert (before.overdue, after.overdue, after.appeals[0].overdue) == (0, 1, True)
    assert before.states == {"open": 1, "upheld": 1}


def test_an_erased_appeal_has_no_words(database: Database) -> None:
    found = claims()
    row, _ = file(database, found, claim="I am Mr Smith.")
    with database.transaction() as connection:
        assert appeals.erase(connection, found.id, who="root", now=NOW)
        assert not appeals.erase(connection, "another", who="root", now=NOW)
        row = appeals.find(connection, row["id"])
        assert "Smith" not in str(row)
        assert prediction(row["claims"]) is None
        assert sent_appeal(connection, row, NOW).state == "erased"
    with pytest.raises(ProblemError):
        file(database, found, claim="I am Mr Smith.")
