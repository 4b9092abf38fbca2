"""console.review.queue: leases, answers, second and third opinions, and their events."""

import threading
from pathlib import Path

import pytest

from console.review import events, queue
from console.review.present import case as present_case
from console.storage import Database, open_database
from schemas.problems import ProblemError
from schemas.review.cases import ReviewAnswer, ReviewFilter, SkipReason
from tests.console.review.cases import ANY, KEY, NOW, claims, receive, say, take

LATER = NOW + queue.LEASE_S + 1


def kind(raised: pytest.ExceptionInfo[ProblemError]) -> str:
    return raised.value.problem.type.rpartition(":")[2]


def state(database: Database, case_id: str) -> str:
    with database.reading() as connection:
        row = connection.execute("SELECT state FROM review_cases WHERE id = ?", (case_id,)).fetchone()
    assert row is not None
    return str(row["state"])


def actions(database: Database, case_id: str) -> list[tuple[str, str]]:
    with database.reading() as connection:
        return [(step["action"], step["who"]) for step in events.steps(connection, case_id)]


def skip(database: Database, case_id: str, who: str, reason: SkipReason = "unclear_photo") -> None:
    with database.transaction() as connection:
        queue.answer(connection, case_id, who, ReviewAnswer(verdict="skip", reason=reason), NOW)


# Arrival


def test_only_photos_for_a_review_wait(database: Database) -> None:
    low, random, unknown = claims("low_probability"), claims("random_check"), claims("unlike_training")
    receive(database, low, random, unknown, claims(None), claims("random_check", retain="appeal"))
    with database.reading() as connection:
        rows = connection.execute("SELECT id, reason, propensity FROM review_cases ORDER BY answered_at").fetchall()
    assert [(row["id"], row["propensity"]) for row in rows] == [(low.id, 1.0), (random.id, 0.02), (unknown.id, 1.0)]


def test_a_photo_sent_again_waits_once_for_each_version(database: Database) -> None:
    first = claims()
    receive(database, first, claims(photo=first.photo), claims(photo=first.photo, version="2"))
    with database.reading() as connection:
        found = queue.look(connection, "ann", ANY, NOW)
    assert (found.waiting, found.counts) == (2, {"low_probability": 2})


def test_the_share_of_second_opinions_is_as_requested_and_secret() -> None:
    ids = [f"receipt-{number}" for number in range(20_000)]
    chosen = {name for name in ids if queue.wants_second(name, 0.1, KEY)}
    assert abs(len(chosen) - 2_000) <= 4 * (20_000 * 0.1 * 0.9) ** 0.5
    others = {name for name in ids if queue.wants_second(name, 0.1, KEY[::-1])}
    assert len(chosen & others) < 400  # another key chooses others: about 200 by chance
    assert not any(queue.wants_second(name, 0.0, KEY) for name in ids)
    assert all(queue.wants_second(name, 1.0, KEY) for name in ids)


# Leases


def test_the_oldest_case_comes_first_and_to_one_reviewer_alone(database: Database) -> None:
    old, new = claims(), claims()
    receive(database, new, old)
    held = [take(database, who) for who in ("ann", "bob", "cem")]
    assert [row and row["id"] for row in held] == [old.id, new.id, None]


def test_a_reviewer_who_asks_again_gets_the_same_case(database: Database) -> None:
    receive(database, claims(), claims())
    first, second = take(database, "ann"), take(database, "ann", now=NOW + 60)
    assert first
    assert second
    assert (second["id"], second["leased_until"]) == (first["id"], NOW + 60 + queue.LEASE_S)
    assert actions(database, first["id"]) == [("receive", "console"), ("lease", "ann")]


def test_a_lease_expires(database: Database) -> None:
    receive(database, found := claims())
    assert take(database, "ann")
    assert take(database, "bob", now=NOW + queue.LEASE_S - 1) is None
    held = take(database, "bob", now=LATER)
    assert held
    assert held["id"] == found.id
    with pytest.raises(ProblemError) as raised:
        say(database, found.id, "ann", now=LATER)
    assert kind(raised) == "not-found"


def test_an_answer_after_ten_minutes_counts_if_nobody_took_the_case(database: Database) -> None:
    receive(database, found := claims())
    take(database, "ann")
    assert say(database, found.id, "ann", now=LATER).counts
    assert state(database, found.id) == "settled"


def test_another_filter_gives_the_held_case_back(database: Database) -> None:
    low, random = claims("low_probability"), claims("random_check")
    receive(database, low, random)
    assert take(database, "ann")
    held = take(database, "ann", ReviewFilter(reason="random_check"))
    assert held
    assert held["id"] == random.id
    other = take(database, "bob")
    assert other
    assert other["id"] == low.id
    assert actions(database, low.id)[2:] == [("release", "ann"), ("lease", "bob")]
    assert take(database, "ann", ReviewFilter(model="another")) is None


def test_a_case_of_somebody_else_cannot_be_seen_or_answered(database: Database) -> None:
    receive(database, found := claims())
    take(database, "ann")
    for case_id in (found.id, "no-such-case"):
        with database.reading() as connection, pytest.raises(ProblemError) as raised:
            queue.case_of(connection, case_id, "eve", NOW)
        assert kind(raised) == "not-found"
        with pytest.raises(ProblemError) as raised:
            say(database, case_id, "eve")
        assert kind(raised) == "not-found"


def test_a_case_that_nobody_holds_cannot_be_answered(database: Database) -> None:
    receive(database, found := claims())
    with pytest.raises(ProblemError):
        say(database, found.id, "eve")
    assert state(database, found.id) == "first"


def test_a_skipped_case_goes_to_others_alone(database: Database) -> None:
    receive(database, found := claims())
    take(database, "ann")
    skip(database, found.id, "ann")
    assert take(database, "ann") is None
    held = take(database, "bob")
    assert held
    assert held["id"] == found.id
    assert actions(database, found.id) == [
        ("receive", "console"),
        ("lease", "ann"),
        ("skip", "ann"),
        ("lease", "bob"),
    ]


# Answers


def test_an_answer_settles_a_case(database: Database) -> None:
    receive(database, found := claims())
    take(database, "ann")
    assert say(database, found.id, "ann", now=NOW + 30).counts
    with database.reading() as connection:
        (given,) = queue.opinions(connection, found.id)
    assert (given["who"], given["seconds"], given["how"]) == ("ann", 30.0, "prediction_shown")
    assert state(database, found.id) == "settled"
    assert take(database, "bob") is None


def test_the_same_answer_again_changes_nothing(database: Database) -> None:
    receive(database, found := claims())
    take(database, "ann")
    say(database, found.id, "ann")
    assert not say(database, found.id, "ann").counts
    with pytest.raises(ProblemError, match="an answer stays as it is") as raised:
        say(database, found.id, "ann", "Abyssinian")
    assert kind(raised) == "conflict"
    assert [action for action, _ in actions(database, found.id)].count("answer") == 1


def test_the_second_opinion_comes_from_somebody_else(database: Database) -> None:
    receive(database, found := claims(), wants_second=True)
    take(database, "ann")
    say(database, found.id, "ann")
    assert take(database, "ann") is None
    held = take(database, "bob", ReviewFilter(waiting_for="second"))
    assert held
    assert held["id"] == found.id
    assert not say(database, found.id, "bob").counts
    assert state(database, found.id) == "settled"
    with database.reading() as connection:
        assert queue.look(connection, "ann", ANY, NOW).agreement.share == 1.0


def test_a_third_person_decides_if_two_differ(database: Database) -> None:
    receive(database, found := claims(), wants_second=True)
    given = {"ann": "Bengal", "bob": "Abyssinian", "cem": "Abyssinian"}
    counts = []
    for who, breed in given.items():
        assert take(database, who)
        counts.append(say(database, found.id, who, breed).counts)
    assert counts == [True, False, True]
    assert state(database, found.id) == "settled"
    with database.reading() as connection:
        assert [row["who"] for row in queue.opinions(connection, found.id)] == [*given]
        found_agreement = queue.look(connection, "ann", ANY, NOW).agreement
    assert (found_agreement.pairs, found_agreement.share) == (1, 0.0)


def test_nobody_is_second_after_themself_even_in_the_database(database: Database) -> None:
    receive(database, found := claims(), wants_second=True)
    take(database, "ann")
    say(database, found.id, "ann")
    with pytest.raises(Exception, match=r"(?i)unique"), database.transaction() as connection:
        connection.execute(
            "INSERT INTO review_answers (case_id, opinion, who, at, seconds, how, verdict, note) "
            "VALUES (?, 2, 'ann', 0, 0, 'blind', 'cant_tell', '')",
            (found.id,),
        )


def test_reviewers_at_once_never_get_the_same_case(database: Database) -> None:
    receive(database, *(claims() for _ in range(30)))
    answered: dict[str, list[str]] = {f"reviewer {number}": [] for number in range(4)}
    begin = threading.Barrier(len(answered))

    def work(who: str) -> None:
        begin.wait()
        while (row := take(database, who)) is not None:
            assert say(database, row["id"], who).counts
            answered[who].append(row["id"])

    threads = [threading.Thread(target=work, args=(who,)) for who in answered]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [case_id for ids in answered.values() for case_id in ids]
    assert len(done) == len({*done}) == 30


def test_an_acknowledged_answer_is_there_when_the_database_is_opened_again(
    database: Database, tmp_path: Path, database_address: str
) -> None:
    receive(database, found := claims())
    take(database, "ann")
    say(database, found.id, "ann")
    other = open_database(tmp_path, database_address)
    with other.reading() as connection:
        assert [row["breed"] for row in queue.opinions(connection, found.id)] == ["Bengal"]
    other.close()


# Views of reviewers


@pytest.mark.parametrize("reason", ["random_check", "low_probability"])
def test_a_random_case_hides_the_prediction_until_the_answer(database: Database, reason: str) -> None:
    receive(database, found := claims(reason))
    held = take(database, "ann")
    assert held

    def shown() -> bytes:
        with database.reading() as connection:
            row = queue.case_of(connection, found.id, "ann", NOW)
            seen = present_case(connection, row, "ann", classes=["Siamese"], has_photo=True)
        return seen.to_json()

    assert (b"Bengal" in shown()) == (reason != "random_check")
    with database.reading() as connection:
        assert b"Bengal" not in queue.look(connection, "ann", ANY, NOW).to_json()
    say(database, found.id, "ann", "Siamese")
    assert b'"breed":"Bengal","probability":0.6' in shown()
    with database.reading() as connection:
        (given,) = queue.opinions(connection, found.id)
    assert given["how"] == ("blind" if reason == "random_check" else "prediction_shown")


def test_nobody_sees_the_first_opinion_before_the_second(database: Database) -> None:
    receive(database, found := claims(), wants_second=True)
    take(database, "ann")
    say(database, found.id, "ann", "Siamese")
    take(database, "bob")
    with database.reading() as connection:
        row = queue.case_of(connection, found.id, "bob", NOW)
        assert present_case(connection, row, "bob", classes=[], has_photo=True).opinions == []
    say(database, found.id, "bob", "Bengal")
    with database.reading() as connection:
        row = queue.case_of(connection, found.id, "bob", NOW)
        seen = present_case(connection, row, "bob", classes=[], has_photo=True)
    assert [(given.who, given.breed) for given in seen.opinions] == [("ann", "Siamese"), ("bob", "Bengal")]


def test_the_queue_counts_what_waits(database: Database) -> None:
    receive(database, claims("low_probability"), claims("random_check"), claims("random_check", model="others"))
    taken = take(database, "ann")
    assert taken
    say(database, taken["id"], "ann")
    take(database, "ann")
    with database.reading() as connection:
        mine = queue.look(connection, "ann", ANY, NOW)
        theirs = queue.look(connection, "bob", ReviewFilter(model="others"), NOW)
    assert (mine.waiting, mine.counts, mine.answered_today) == (2, {"random_check": 2}, 1)
    assert mine.states == {"first": 2, "settled": 1}
    assert [row.leased for row in mine.cases] == [True, False]
    assert (theirs.waiting, theirs.states, theirs.answered_today) == (1, {"first": 1}, 0)
    assert 0 < theirs.oldest_seconds < 1_100


# The end of a case


def test_a_case_expires_with_its_photo(database: Database) -> None:
    receive(database, found := claims(), done := claims())
    row = take(database, "ann", ANY)
    assert row
    say(database, row["id"], "ann")
    with database.transaction() as connection:
        for case_id in (found.id, done.id, "no-such-case"):
            queue.expire(connection, case_id, NOW)
    assert {state(database, found.id), state(database, done.id)} == {"settled", "expired"}
    assert take(database, "bob") is None


def test_an_erased_case_has_no_words_and_no_prediction(database: Database) -> None:
    receive(database, found := claims())
    take(database, "ann")
    with database.transaction() as connection:
        given = ReviewAnswer(verdict="breed", breed="Bengal", note="the cat of Mr Smith")
        queue.answer(connection, found.id, "ann", given, NOW)
        assert queue.erase(connection, found.id, who="root", now=NOW)
        assert queue.erase(connection, found.id, who="root", now=NOW)
        assert not queue.erase(connection, "no-such-case", who="root", now=NOW)
        dump = [
            str(connection.execute(f"SELECT * FROM {table}").fetchall())
            for table in ("review_cases", "review_answers", "review_events")
        ]
    assert "Smith" not in "".join(dump)
    assert "0.6" not in dump[0]
    assert state(database, found.id) == "erased"
