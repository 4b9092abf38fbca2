"""All safeguards of one worker."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from handlers.http import Request
from handlers.safeguards.faults import FaultMonitor
from handlers.safeguards.memory import MemoryGuard
from handlers.safeguards.poison import DEATHS, PoisonGuard
from schemas.problems import Problem

logger = logging.getLogger(__name__)


@dataclass
class Safeguards:
    """Safeguards that `handlers.batch` asks; None leaves one out.

    Attributes:
        faults: monitor of the worker's device.
        poison: guard against requests that end workers.
        memory: limit of the worker's memory.
        withdraw: reports that the worker is no longer ready, and does nothing else.
        end: writes what is left to record and ends the process; called after the responses have been sent.
    """

    faults: FaultMonitor
    poison: PoisonGuard | None = None
    memory: MemoryGuard | None = None
    withdraw: Callable[[], None] = lambda: None
    end: Callable[[], None] = lambda: None

    def in_turn(self, requests: Sequence[Request]) -> Iterator[tuple[Sequence[int], Problem | None]]:
        """Yield the indices of the requests to compute together, or with their problem if they must not be computed."""
        if self.poison is None:
            yield range(len(requests)), None
            return
        for indices, deaths in self.poison.in_turn(requests):
            yield indices, None if deaths < DEATHS else _fatal()

    def has_recovered(self) -> bool:
        """Return True if the worker can go on after a MemoryError."""
        return self.memory is None or self.memory.has_recovered()

    def break_worker(self, reason: str) -> None:
        """Withdraw the worker because of a fault; it ends after the batch in hand."""
        if not self.faults.broken:
            logger.critical("this worker ends and is replaced: %s", reason)
        self.faults.broken = reason
        self.withdraw()


def _fatal() -> Problem:
    detail = "the same request ended workers of this model twice and is rejected for ten minutes"
    return Problem.of("fatal-request", f"{detail}; change it before you send it again")
