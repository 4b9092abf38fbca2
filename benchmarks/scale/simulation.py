"""A simulation of pods that answer or reject requests, and of the autoscaler that counts them.

Time has steps of a tenth of a second. Requests arrive at random (a seeded Poisson process). The pods share one queue,
as behind a gateway that knows the requests in progress of each. A pod that starts counts as used, and answers later.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale.rules import Autoscaler, Rule, Sample

STEPS = 10  # of a second


@dataclass(frozen=True)
class Pod:
    """A pod as it was measured.

    Attributes:
        limit: requests in progress that it accepts.
        answered: ascending requests a second that it answered at several loads; the last one is all that it can.
        busy: busy workers at these loads.
        cores: cores in use at these loads.
    """

    limit: int
    answered: Sequence[float]
    busy: Sequence[float]
    cores: Sequence[float]

    @property
    def capacity(self) -> float:
        """Requests a second that it can answer."""
        return self.answered[-1]

    def used(self, rate: float) -> tuple[float, float]:
        """Return the busy workers, and the cores in use, at a rate of answers."""
        rates = [0.0, *self.answered]
        return float(np.interp(rate, rates, [0.0, *self.busy])), float(np.interp(rate, rates, [0.0, *self.cores]))


@dataclass(frozen=True)
class Delays:
    """Times between a load and the pods that answer it, in seconds.

    Attributes:
        start: from the decision to a pod that is ready: scheduling, image, and the service's start.
        scrape: between two scrapes of Prometheus.
        window: range of the queries.
        sync: between two decisions.
    """

    start: float = 30.0
    scrape: float = 15.0
    window: float = 60.0
    sync: float = 15.0


@dataclass
class Result:
    """Outcome of a simulation.

    Attributes:
        requests: number of requests.
        refused: number of rejected ones.
        pod_seconds: seconds of all pods, from their creation to their end.
        pods: pods that are ready, for each second.
        refused_each_second: rejected requests, for each second.
    """

    requests: int = 0
    refused: float = 0.0
    pod_seconds: float = 0.0
    pods: list[int] = field(default_factory=list)
    refused_each_second: list[float] = field(default_factory=list)

    @property
    def refused_share(self) -> float:
        """Share of the rejected requests."""
        return self.refused / max(self.requests, 1)


@dataclass(frozen=True)
class _Counters:
    at: float
    busy: float
    cores: float
    arrived: float
    refused: float
    answered: float
    waited: float


def simulate(
    rate: NDArray[np.float64], pod: Pod, rule: Rule | None, delays: Delays, *, pods: int, seed: int = 0
) -> Result:
    """Simulate pods under a load.

    Args:
        rate: expected requests of each second.
        pod: a pod.
        rule: rule of the autoscaler; None for a fixed number of pods.
        delays: delays of metrics and of starts.
        pods: pods at the beginning.
        seed: seed of the arrivals.
    """
    arrivals = np.random.default_rng(seed).poisson(np.repeat(rate / STEPS, STEPS)).reshape(-1, STEPS).tolist()
    autoscaler = Autoscaler(rule, pods) if rule else None
    ready, starting = pods, deque[float]()
    queue = busy = cores = arrived = refused = answered = waited = 0.0
    scrapes: deque[_Counters] = deque([_Counters(0, 0, 0, 0, 0, 0, 0)])
    result = Result()
    for second, steps in enumerate(arrivals):
        while starting and starting[0] <= second:
            starting.popleft()
            ready += 1
        room, speed = ready * pod.limit, ready * pod.capacity / STEPS
        answered_before, refused_before = answered, refused
        for requests in steps:
            accepted = min(requests, max(room + speed - queue, 0.0))  # answers of the step make room
            refused += requests - accepted
            queue += accepted
            done = min(queue, speed)
            queue -= done
            answered += done
            waited += queue / STEPS
        arrived += sum(steps)
        if ready:
            busy_workers, cores_in_use = pod.used((answered - answered_before) / ready)
            busy += ready * busy_workers
            cores += ready * cores_in_use
        result.pods.append(ready)
        result.refused_each_second.append(refused - refused_before)
        result.pod_seconds += ready + len(starting)
        now = second + 1
        if now % delays.scrape == 0:
            scrapes.append(_Counters(now, busy, cores, arrived, refused, answered, waited))
            while len(scrapes) > 1 and scrapes[0].at < now - delays.window:
                scrapes.popleft()
        if autoscaler and now % delays.sync == 0 and len(scrapes) > 1:
            wanted = autoscaler.decide(now, _sample(scrapes[0], scrapes[-1], ready))
            while ready + len(starting) < wanted:
                starting.append(now + delays.start)
            while ready + len(starting) > wanted:
                if starting:
                    starting.pop()
                else:
                    ready -= 1  # it answers what it has accepted, so the queue goes on
    result.requests, result.refused = int(arrived), refused
    return result


def _sample(first: _Counters, last: _Counters, ready: int) -> Sample:
    seconds = last.at - first.at
    arrived, answered = last.arrived - first.arrived, last.answered - first.answered
    return Sample(
        (last.busy - first.busy) / seconds,
        (last.cores - first.cores) / seconds,
        (last.refused - first.refused) / max(arrived, 1),
        (last.waited - first.waited) / max(answered, 1),
        ready,
    )
