"""console.review.states: the table of steps is complete, and nothing else is possible."""

from typing import get_args

import pytest

from console.review.states import APPEALS, CASES, UNDECIDED, WAITING, Action, Table, step
from schemas.problems import ProblemError
from schemas.review.appeals import AppealState
from schemas.review.cases import CaseState


@pytest.mark.parametrize(("table", "states"), [(CASES, get_args(CaseState)), (APPEALS, get_args(AppealState))])
def test_every_state_can_be_reached_and_erased(table: Table, states: tuple[str, ...]) -> None:
    reached, found = {"new"}, {"new"}
    while found:
        found = {to for (state, _), targets in table.items() if state in found for to in targets} - reached
        reached |= found
    assert reached == {"new", *states}
    assert all(table[state, "erase"] == ("erased",) for state in states)  # type: ignore[index]


def test_every_action_is_in_a_table() -> None:
    assert {action for table in (CASES, APPEALS) for _, action in table} == {*get_args(Action)}


def test_nothing_but_an_erasure_follows_an_end() -> None:
    for table, going_on in ((CASES, WAITING), (APPEALS, UNDECIDED)):
        ends = {state for state, _ in table} - {"new", *going_on}
        assert {action for state, action in table if state in ends} == {"erase"}


def test_an_impossible_step_is_a_conflict() -> None:
    with pytest.raises(ProblemError, match="it is settled, and the step answer is not possible any more") as raised:
        step(CASES, "settled", "answer")
    assert raised.value.problem.status == 409


def test_a_step_leads_only_where_the_table_says() -> None:
    assert step(CASES, "second", "answer", "third") == "third"
    with pytest.raises(AssertionError, match="leads from first to settled or second"):
        step(CASES, "first", "answer", "expired")
