"""Search for the settings of a service on this machine, by measurement.

Services with different settings run side by side and are measured in turns, so that other load on the machine meets
all of them. One setting is chosen after another: workers, their threads, the gateway's threads, the size of a batch.
"""

import logging
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from runtime.memory import available_memory
from serving.gateway.config import GatewayConfig
from serving.ports import Ports
from serving.process import ServerError
from serving.runner import Runner
from serving.service import Service
from serving.tuning.load import measure_load

logger = logging.getLogger(__name__)

BUSY = 32  # connections that keep a service busy; why: benchmarks of serving use as many
_EQUAL = 0.95  # rates that differ by less are equal: a measurement of two seconds is no more exact
_WARM_ROUNDS = 2  # measurements that do not count: a service is slower at first
_SHARE = 0.8  # of the available memory, for the services that run side by side

MakeRunner = Callable[["Candidate"], Runner]
MakeArchive = Callable[["Candidate", Path], Path]
Candidates = Callable[["Candidate | None"], list["Candidate"]]


@dataclass(frozen=True)
class Candidate:
    """Settings to measure.

    Attributes:
        workers: number of workers.
        threads: number of threads of a worker's network.
        gateway_threads: number of the gateway's threads.
        batch_size: largest number of requests in a batch.
    """

    workers: int
    threads: int
    gateway_threads: int
    batch_size: int


@dataclass(frozen=True)
class Measured:
    """Figures of a candidate.

    Attributes:
        candidate: the settings.
        rate: requests/s of a busy service, median over the rounds.
        p50: median latency of a request to an idle service in milliseconds, median over the rounds.
        footprint: memory of its workers in bytes.
    """

    candidate: Candidate
    rate: float
    p50: float
    footprint: int


@dataclass(frozen=True)
class Bench:
    """Requests of a search, and how long it measures.

    Attributes:
        model: name of the model.
        body: body of the request.
        content_type: its content type.
        archive: makes the archive for a candidate in a folder.
        runner: makes the runner for a candidate.
        rounds: number of rounds.
        seconds: seconds of each measurement.
    """

    model: str
    body: bytes
    content_type: str
    archive: MakeArchive
    runner: MakeRunner
    rounds: int = 3
    seconds: float = 1.0

    def measure(self, candidates: Iterable[Candidate]) -> list[Measured]:
        """Run services with these settings side by side, as many as the memory allows, and measure them in turns.

        Raises:
            ServerError: if not even one can be started.
        """
        with ExitStack() as running:
            folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
            services: dict[Candidate, Service] = {}
            for candidate in candidates:
                if services and max(map(_footprint, services.values())) > _SHARE * available_memory():
                    logger.warning("memory for more services is missing; not measured: %s and later ones", candidate)
                    break
                services[candidate] = running.enter_context(self._service(candidate, folder / str(len(services))))
            if not services:
                raise ServerError("there are no settings to measure")
            for service in services.values():
                self._load(service, BUSY, _WARM_ROUNDS * self.seconds)
            figures: dict[Candidate, list[tuple[float, float]]] = {candidate: [] for candidate in services}
            for _ in range(self.rounds):
                for candidate, service in services.items():
                    rate, _ = self._load(service, BUSY, self.seconds)
                    _, p50 = self._load(service, 1, self.seconds)
                    figures[candidate].append((rate, p50))
            return [
                Measured(
                    candidate,
                    rate=statistics.median(rate for rate, _ in rounds),
                    p50=statistics.median(p50 for _, p50 in rounds),
                    footprint=_footprint(services[candidate]),
                )
                for candidate, rounds in figures.items()
            ]

    def _service(self, candidate: Candidate, folder: Path) -> AbstractContextManager[Service]:
        ports = Ports.any_free()
        config = GatewayConfig(
            ports.inference,
            probes_port=ports.metrics,
            threads=candidate.gateway_threads,
            health_check_interval=None,
        )
        archive = self.archive(candidate, folder)
        return Service(config, lambda: [archive], self.runner(candidate)).running()

    def _load(self, service: Service, connections: int, seconds: float) -> tuple[float, float]:
        """Return requests/s and the median latency; rejected requests count for nothing."""
        url = f"{service.config.url}/predictions/{self.model}"
        headers = {"Content-Type": self.content_type}
        load = measure_load(url, [self.body], headers, connections, seconds, rejections=True)
        return load.rate, load.p50


def best(measured: Sequence[Measured]) -> Measured:
    """Return the fastest candidate; among equal ones that with the lowest latency, then with the fewest workers."""
    fastest = max(measured, key=lambda found: found.rate)
    equal = [found for found in measured if found.rate >= _EQUAL * fastest.rate]
    quickest = min(equal, key=lambda found: found.p50)
    alike = [found for found in equal if _EQUAL * found.p50 <= quickest.p50]
    return min(alike, key=lambda found: astuple(found.candidate))


def searches(cores: int, gpus: int, batch_size: int) -> list[tuple[str, Candidates]]:
    """Return the steps of a search: a name, and a function from the settings chosen so far to those to measure.

    Each step varies one setting and includes the chosen ones, so that the number of services grows with the logarithm
    of the cores: 8 at most run side by side on 16 cores, and 15 are measured in all.

    Args:
        cores: number of cores.
        gpus: number of GPUs that the workers use; 0 for workers on the CPU.
        batch_size: size of a batch to begin with.

    >>> start = Candidate(2, 1, 1, 16)
    >>> for name, candidates in searches(2, 0, 16):
    ...     print(name, [astuple(found) for found in candidates(start)], sep=":  ")
    workers:  [(1, 2, 1, 16), (2, 1, 1, 16)]
    threads:  [(2, 1, 1, 16)]
    gateway threads:  [(2, 1, 1, 16)]
    batch size:  [(2, 1, 1, 1), (2, 1, 1, 4), (2, 1, 1, 16), (2, 1, 1, 32)]
    """
    gateway = max(1, cores // 8)

    def workers(_: Candidate | None) -> list[Candidate]:
        if gpus:  # the threads of a network on a GPU follow from the cores
            counts = [gpus * share for share in _powers_of_two(8) if share == 1 or gpus * share <= cores]
            return [Candidate(count, 1, gateway, batch_size) for count in counts]
        counts = sorted({*_powers_of_two(cores), max(1, cores - 1), cores})
        return [Candidate(count, max(1, cores // count), gateway, batch_size) for count in counts]

    def threads(chosen: Candidate | None) -> list[Candidate]:
        assert chosen
        return [replace(chosen, threads=count) for count in sorted({1, chosen.threads})]

    def gateway_threads(chosen: Candidate | None) -> list[Candidate]:
        assert chosen
        counts = {*_powers_of_two(max(1, cores // 4)), chosen.gateway_threads}
        return [replace(chosen, gateway_threads=count) for count in sorted(counts)]

    def batch_sizes(chosen: Candidate | None) -> list[Candidate]:
        assert chosen
        sizes = {1, 4, 16, 32, chosen.batch_size, *((64, 128) if gpus else ())}
        return [replace(chosen, batch_size=size) for size in sorted(sizes)]

    return [
        ("workers", workers),
        ("threads", threads),
        ("gateway threads", gateway_threads),
        ("batch size", batch_sizes),
    ]


def _powers_of_two(largest: int) -> list[int]:
    return [1 << exponent for exponent in range(largest.bit_length())]


def max_concurrent(measured: Measured, longest_wait: float) -> int:
    """Return the number of requests that may be in progress for each worker.

    A worker answers so many within the longest wait, in seconds. It may always have two batches, one that it computes
    and one that waits, and four requests.
    """
    candidate = measured.candidate
    per_worker = measured.rate / candidate.workers
    return max(2 * candidate.batch_size, 4, round(per_worker * longest_wait))


def _footprint(service: Service) -> int:
    return sum(instance.footprint for instance in service.pool.instances)
