"""Measure the busy workers, the CPU time and the rejections of a service at several loads.

    python -m benchmarks.scale.busy_workers model_store/pets --keep
    python -m benchmarks.scale.busy_workers model_store/demo --keep

The requests are photos, or forecasts of one day. Clients that wait for answers find the capacity. Then requests arrive
at random times, at a quarter of that rate up to more than the service answers. Busy workers are the signal of the
autoscaling rule: the rate of the seconds that workers spend on batches. They grow if other programs take the processor,
which CPU time does not: that of the workers, and that of all processes of the service.
``--keep`` writes the figures to docs/scale/measured.json, which the simulation reads.
"""

import argparse
import datetime as dt
import json
import os
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import uvloop

from benchmarks.load_generator.photos import made_up_photo
from benchmarks.markdown import table_row
from benchmarks.overload import OK, REJECTED, Bodies, capacity, replay
from runtime.bundle import kind_of
from sales.bundle import read_manifest
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.ports import Ports
from serving.python.runner import PythonRunner
from serving.runner import Runner
from serving.service import Service
from serving.torchserve.runner import TorchServeRunner

STAGES = "parse|features|inference|explain|encode"  # in which a worker is busy
WORKERS = ("model_service_worker", "handlers.python")  # in their command lines
LOADS = (0.25, 0.5, 0.75, 1.0, 1.5, 3.0)
FILE = Path(__file__).resolve().parents[2] / "docs/scale/measured.json"


@dataclass(frozen=True)
class Point:
    """Figures at one load.

    Attributes:
        answered: answers a second.
        rejected: rejections a second.
        busy: busy workers.
        worker_cores: processor cores in use by the workers.
        cores: processor cores in use.
        p50: median latency of the answers in milliseconds.
        p99: same, the 99th percentile.
    """

    answered: float
    rejected: float
    busy: float
    worker_cores: float
    cores: float
    p50: float
    p99: float

    def row(self, load: str) -> str:
        """Return a row of the table."""
        cells = [f"{self.answered:,.1f}", f"{self.rejected:,.1f}", f"{self.busy:.2f}"]
        cells += [f"{self.worker_cores:.2f}", f"{self.cores:.2f}"]
        cells += [f"{1e3 * self.cores / self.answered:.3f}", f"{self.p50:.1f}", f"{self.p99:.1f}"]
        return table_row(load, cells)


@dataclass(frozen=True)
class Used:
    """Seconds that a service has used so far.

    Attributes:
        at: time of the clock.
        busy: time of its workers' batches.
        worker_cpu: CPU time of its workers.
        cpu: CPU time of its processes, without the one that supervises them and has the generator.
    """

    at: float
    busy: float
    worker_cpu: float
    cpu: float


def requests_of(bundle: Path) -> Bodies:
    """Return a photo, or forecasts of one day for some stores."""
    if kind_of(bundle) == "pets":
        return Bodies("image/jpeg", [made_up_photo()])
    about = read_manifest(bundle)
    date = str(about.cutoff + dt.timedelta(days=5))
    bodies = [json.dumps({"store": int(store), "date": date}).encode() for store in about.levels["Store"]]
    return Bodies("application/json", bodies)


@contextmanager
def running(bundle: Path, name: str, workers: int) -> Iterator[GatewayConfig]:
    """Run a service until the block ends."""
    ports = Ports.any_free()
    runner: Runner = PythonRunner(workers) if name == "python" else TorchServeRunner(workers=workers)
    interval = None if name == "python" else GatewayConfig.health_check_interval
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, health_check_interval=interval)
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(config, lambda: [archive(bundle, Path(folder))], runner).running(),
    ):
        yield config


def used(config: GatewayConfig) -> Used:
    """Return what a service has used so far."""
    with urllib.request.urlopen(config.metrics_url, timeout=30) as answer:
        text = answer.read().decode()
    busy = sum(
        float(value)
        for value in re.findall(rf'^shopcat_stage_seconds_sum{{.*stage="(?:{STAGES})".*}} (\S+)', text, re.M)
    )
    seconds = {True: 0.0, False: 0.0}  # by whether the process is a worker
    for process in psutil.Process().children(recursive=True):
        if process.name() != "wrk":
            command = " ".join(process.cmdline())
            seconds[any(name in command for name in WORKERS)] += sum(process.cpu_times()[:2])
    return Used(time.perf_counter(), busy, seconds[True], sum(seconds.values()))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--runner", choices=["torchserve", "python"], default="torchserve")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=15, help="of each load")
    parser.add_argument("--keep", action="store_true", help="write the figures to docs/scale/measured.json")
    args = parser.parse_args()
    bodies, points = requests_of(args.bundle), []
    with running(args.bundle, args.runner, args.workers) as config:
        url = f"{config.url}/predictions/{kind_of(args.bundle)}"
        capacity(url, bodies, args.workers, 10)  # warm-up: the JVM compiles its hot code
        most = capacity(url, bodies, args.workers, args.seconds)
        print(
            "| requests/s | answered | rejected | busy workers | cores: workers | all | CPU ms each | p50 ms | p99 ms |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for load in LOADS:
            points.append(measured(config, url, bodies, load * most, args.seconds))
            print(points[-1].row(f"{load * most:,.0f}"), flush=True)
    if args.keep:
        kept = json.loads(FILE.read_text()) if FILE.exists() else {}
        kept[f"{kind_of(args.bundle)}, {args.runner}"] = {
            "workers": args.workers,
            "load": round(os.getloadavg()[0], 1),
            "points": [asdict(point) for point in points],
        }
        FILE.write_text(json.dumps(kept, indent=1) + "\n")


def measured(config: GatewayConfig, url: str, bodies: Bodies, rate: float, seconds: float) -> Point:
    """Return the figures of a service at a rate of requests."""
    before = used(config)
    latencies = uvloop.run(replay(url, bodies, rate, seconds, seed=1))
    after = used(config)
    counts = {status: len(times) for status, times in latencies.by_status.items()}
    took = after.at - before.at
    return Point(
        *(
            round(value, 4)
            for value in (
                counts.get(OK, 0) / took,
                counts.get(REJECTED, 0) / took,
                (after.busy - before.busy) / took,
                (after.worker_cpu - before.worker_cpu) / took,
                (after.cpu - before.cpu) / took,
                latencies.percentile(OK, 50),
                latencies.percentile(OK, 99),
            )
        )
    )


if __name__ == "__main__":
    main()
