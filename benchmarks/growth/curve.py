"""A curve of measured costs, and the exponent with which they grow."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

LARGEST = 3  # points at the large end, which the exponent is fitted to: fixed costs hide it at the small end
TOLERANCE = 0.15  # of an exponent; measured between runs on a busy machine: up to 0.1


@dataclass(frozen=True)
class Curve:
    """Costs by size.

    Attributes:
        cost: what was measured, with its unit.
        size: what it was measured against.
        sizes: ascending sizes.
        costs: least cost of some rounds for each size.
        expected: largest exponent that the design allows: 1 is linear, 0 is flat.
    """

    cost: str
    size: str
    sizes: Sequence[float]
    costs: Sequence[float]
    expected: float

    @property
    def exponent(self) -> float:
        """Exponent of the growth between the largest sizes: the slope of a line through their logarithms."""
        x = [math.log(size) for size in self.sizes[-LARGEST:]]
        y = [math.log(cost) for cost in self.costs[-LARGEST:]]
        mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
        covariance = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True))
        return covariance / sum((one - mean_x) ** 2 for one in x)

    @property
    def is_as_expected(self) -> bool:
        """True if the cost grows no faster than the design allows."""
        return self.exponent <= self.expected + TOLERANCE


def largest_memory() -> float:
    """Return the largest resident memory of this program in MiB; getrusage would include its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def measure(
    cost: str,
    size: str,
    calls: Sequence[tuple[float, Callable[[], object]]],
    *,
    expected: float,
    rounds: int,
    per: float = 1.0,
    repeat_s: float = 0.2,
) -> Curve:
    """Measure the CPU time of calls of growing size, in turns.

    Args:
        cost: as for `Curve`.
        size: as for `Curve`.
        calls: pairs of a size and the call of that size.
        expected: as for `Curve`.
        rounds: number of turns, of which the least time counts, because other programs only add to it.
        per: seconds of the cost's unit.
        repeat_s: seconds for which a short call is repeated.
    """
    for _, call in calls[:2]:
        call()  # one-time work
    least = [math.inf] * len(calls)
    for _ in range(rounds):
        for place, (_, call) in enumerate(calls):
            start, repeats = time.process_time(), 0
            while not repeats or time.process_time() - start < repeat_s:
                call()
                repeats += 1
            least[place] = min(least[place], (time.process_time() - start) / repeats / per)
    return Curve(cost, size, [size for size, _ in calls], least, expected)
