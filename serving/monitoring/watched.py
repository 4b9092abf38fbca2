"""The state of a service that probes and metrics are made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from handlers.readiness import Ready


@dataclass(frozen=True)
class Watched:
    """What the exporter watches.

    Attributes:
        processes: by what they are ("frontend", "edge"), the processes whose descendants are the server's.
        scraped: what gives others' figures, in Prometheus's text format, or an `OSError`.
        models: how many workers each model should have.
        alive: whether what takes the requests runs and answers, or is about to.
        passing: "starting" while that is not there yet, "stopping" once it only answers what it has taken.
    """

    processes: Mapping[str, Sequence[int]]
    scraped: Sequence[Callable[[], bytes]]
    models: Mapping[str, int]
    alive: bool
    passing: Literal["starting", "stopping"] | None = None

    def dead(self) -> list[str]:
        """Why the server is not alive; nothing if it is."""
        return [] if self.alive else ["the server does not answer"]

    def missing(self, ready: Sequence[Ready]) -> list[str]:
        """Why the server is not ready with the workers that are; nothing if it is."""
        able = {each.model for each in ready}
        reasons = [f"no worker of {model} is ready" for model in self.models if model not in able]
        if self.passing:
            reasons.insert(0, f"the server is {self.passing}")
        return [*self.dead(), *reasons]


STARTING = Watched({}, [], {}, alive=True, passing="starting")
