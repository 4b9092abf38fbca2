"""States of cases and appeals: one table has every step that is allowed, and where it may lead."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from schemas.problems import Problem, ProblemError
from schemas.review.appeals import AppealState
from schemas.review.cases import CaseState

State = CaseState | AppealState | Literal["new"]
Action = Literal[
    "receive", "lease", "release", "skip", "answer", "expire", "erase", "file", "assign", "decide", "withdraw"
]

WAITING: tuple[CaseState, ...] = ("first", "second", "third")
UNDECIDED: tuple[AppealState, ...] = ("open", "assigned")

Table = Mapping[tuple[State, Action], tuple[State, ...]]

CASES: Table = MappingProxyType(
    {
        ("new", "receive"): ("first",),
        ("first", "answer"): ("settled", "second"),
        ("second", "answer"): ("settled", "third"),
        ("third", "answer"): ("settled",),
        **{(state, action): (state,) for state in WAITING for action in ("lease", "release", "skip")},
        **{(state, "expire"): ("expired",) for state in WAITING},
        **{(state, "erase"): ("erased",) for state in (*WAITING, "settled", "expired", "erased")},
    }
)

APPEALS: Table = MappingProxyType(
    {
        ("new", "file"): ("open",),
        ("open", "assign"): ("assigned",),
        ("assigned", "release"): ("open",),
        ("assigned", "decide"): ("upheld", "changed", "declined"),
        **{(state, "withdraw"): ("withdrawn",) for state in UNDECIDED},
        **{
            (state, "erase"): ("erased",)
            for state in (*UNDECIDED, "upheld", "changed", "declined", "withdrawn", "erased")
        },
    }
)


def step(table: Table, state: State, action: Action, to: State | None = None) -> State:
    """Return the state after a step.

    Args:
        table: the allowed steps.
        state: state before the step.
        action: the step.
        to: state after the step; it may be left out if the step leads to one state only.

    Raises:
        ProblemError: conflict, if the step is not allowed in this state.
    """
    targets = table.get((state, action))
    if targets is None:
        raise conflict(f"it is {state}, and the step {action} is not possible any more; load it again")
    target = targets[0] if to is None else to
    assert target in targets, f"{action} leads from {state} to {' or '.join(targets)}, not to {target}"
    return target


def conflict(detail: str) -> ProblemError:
    """Return the error for a step that the state of a case or an appeal does not allow."""
    return ProblemError(Problem.of("conflict", detail))


def not_found(detail: str) -> ProblemError:
    """Return the error for a case or an appeal that does not exist, or that the client may not see."""
    return ProblemError(Problem.of("not-found", detail))


def forbidden(detail: str) -> ProblemError:
    """Return the error for a step that another person has to take."""
    return ProblemError(Problem.of("forbidden", detail))
