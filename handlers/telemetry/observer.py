"""Interface between telemetry, which is the same for every model, and the figures of one model."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

Answer_contra = TypeVar("Answer_contra", contravariant=True)
Summary = TypeVar("Summary")


class Observer(Protocol[Answer_contra, Summary]):
    """Observer of a model's answers.

    A worker calls `summarize` and `log_fields` for each batch, and a thread calls `count` later for several batches.
    """

    def summarize(self, answers: Sequence[Answer_contra]) -> Summary:
        """Return the values that `count` needs of a batch's answers, and no reference to the answers."""
        ...

    def count(self, model: str, summaries: Sequence[Summary]) -> None:
        """Add the summaries of several batches to the model's metrics."""
        ...

    def log_fields(self, answer: Answer_contra) -> dict[str, Any]:
        """Return the fields of a request-log line that describe an answer."""
        ...
