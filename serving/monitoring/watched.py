"""State of a service, as probes and metrics report it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from handlers.readiness import ReadyWorker

ReadyPolicy = Literal["any", "all"]


@dataclass(frozen=True)
class Watched:
    """State of a service at one moment.

    Attributes:
        processes: PIDs of the processes that the service started, by kind ("frontend", "worker", "gateway"). Their
            descendants belong to the service too.
        scrapes: functions that return the metrics of other programs in Prometheus's text format, or raise `OSError`.
        models: number of workers that each model should have.
        alive: True if the process that receives requests responds, or is starting.
        routed: numbers of the instances that receive the requests to each model.
        policy: "any" if the service is ready while it can answer requests to one model, "all" if to every model.
        transition: "starting" until it receives requests, "stopping" once it only answers accepted ones.
        restarts: number of times that a process of each kind ended unexpectedly and was started again.
    """

    processes: Mapping[str, Sequence[int]]
    scrapes: Sequence[Callable[[], bytes]]
    models: Mapping[str, int]
    alive: bool
    routed: Mapping[str, Collection[int]] = field(default_factory=dict)
    policy: ReadyPolicy = "any"
    transition: Literal["starting", "stopping"] | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)

    def dead(self) -> list[str]:
        """Return why the service is not alive; an empty list if it is."""
        return [] if self.alive else ["the server does not answer"]

    def missing(self, ready: Sequence[ReadyWorker]) -> list[str]:
        """Return why the service is not ready, given its ready workers; an empty list if it is."""
        reasons = {model: self._missing_workers(model, ready) for model in self.models}
        unable = [reason for reason in reasons.values() if reason]
        enough = len(unable) < len(reasons) if self.policy == "any" else not unable
        return [*self._not_serving(), *([] if enough or not reasons else unable)]

    def missing_of(self, model: str, ready: Sequence[ReadyWorker]) -> list[str]:
        """Return why the service is not ready for requests to one of its models; an empty list if it is."""
        reason = self._missing_workers(model, ready)
        return [*self._not_serving(), *([reason] if reason else [])]

    def _not_serving(self) -> list[str]:
        return [*self.dead(), *([f"the server is {self.transition}"] if self.transition else [])]

    def _missing_workers(self, model: str, ready: Sequence[ReadyWorker]) -> str:
        """Return why no instance can answer a model's requests: one has to have a ready worker and receive them."""
        able = {worker.instance for worker in ready if worker.model == model}
        if not able:
            return f"no worker of {model} is ready"
        return "" if able & set(self.routed.get(model, ())) else f"no instance with a ready worker of {model} answers"


STARTING = Watched({}, [], {}, alive=True, transition="starting")
