"""State of a service, as probes and metrics report it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from handlers.readiness import ReadyWorker


@dataclass(frozen=True)
class Watched:
    """State of a service at one moment.

    Attributes:
        processes: PIDs of the processes that the service started, by kind ("frontend", "gateway"). Their descendants
            belong to the service too.
        scrapes: functions that return the metrics of other programs in Prometheus's text format, or raise `OSError`.
        models: number of workers that each model should have.
        alive: True if the process that receives requests responds, or is starting.
        transition: "starting" until it receives requests, "stopping" once it only answers accepted ones.
    """

    processes: Mapping[str, Sequence[int]]
    scrapes: Sequence[Callable[[], bytes]]
    models: Mapping[str, int]
    alive: bool
    transition: Literal["starting", "stopping"] | None = None

    def dead(self) -> list[str]:
        """Return why the service is not alive; an empty list if it is."""
        return [] if self.alive else ["the server does not answer"]

    def missing(self, ready: Sequence[ReadyWorker]) -> list[str]:
        """Return why the service is not ready, given its ready workers; an empty list if it is."""
        ready_models = {worker.model for worker in ready}
        reasons = [f"no worker of {model} is ready" for model in self.models if model not in ready_models]
        if self.transition:
            reasons.insert(0, f"the server is {self.transition}")
        return [*self.dead(), *reasons]


STARTING = Watched({}, [], {}, alive=True, transition="starting")
