"""Results of the entries of a request."""

from collections.abc import Iterable, Sequence
from typing import TypedDict

from schemas.feedback.answer import PetResult, RejectedEntry, SalesResult
from schemas.problems import Problem, ProblemError


class Tally(TypedDict):
    """Numbers of results by outcome."""

    counted: int
    replaced: int
    unchanged: int
    rejected: int


def tally(results: Sequence[SalesResult | PetResult | RejectedEntry]) -> Tally:
    """Return the numbers of results by outcome."""
    counts: Tally = {"counted": 0, "replaced": 0, "unchanged": 0, "rejected": 0}
    for result in results:
        counts["rejected" if isinstance(result, RejectedEntry) else result.outcome] += 1
    return counts


def first_problem(rejected: Iterable[RejectedEntry]) -> ProblemError:
    """Return the error for a request of which no value can be taken: that of the first one."""
    problems = [entry.problem for entry in rejected]
    if not problems:  # lists of nothing but null
        detail = "there is no value to take; every one of them is null"
        return ProblemError(Problem.of("invalid-request", detail))
    first = problems[0]
    if len(problems) > 1:
        detail = f"none of the {len(problems):,} values can be taken; the first: {first.detail}"
        first = first.model_copy(update={"detail": detail})
    return ProblemError(first)
