"""Send a service four times as many requests as it can answer, and measure its answers and rejections.

    python -m benchmarks.overload model_store/pets
    python -m benchmarks.overload model_store/sales

The requests are photos, or forecasts of six weeks, sent to a service behind its gateway. They arrive at random times (a
seeded Poisson process: clients do not wait for one another). The script sends them first at a quarter of the service's
capacity, then at four times its capacity, for 30 seconds each. Every request must be answered. The script prints the
latencies of the answers and of the rejections, from the planned time of sending: a request that waits for a free
connection of the generator waits as its client would.
"""

import argparse
import asyncio
import datetime as dt
import json
import re
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import uvloop

from benchmarks.load_generator.closed_loop import measure
from benchmarks.load_generator.photos import made_up_photo
from benchmarks.markdown import table_row
from benchmarks.servers.running import service
from runtime.bundle import kind_of
from sales.bundle import read_manifest
from serving.ports import HOST

OK, REJECTED = 200, 503
CONNECTIONS = 256  # connections of the generator: more than the admission limit, few enough for a small machine


@dataclass
class Latencies:
    """Latencies of the answers to a stream of requests.

    Attributes:
        by_status: milliseconds from the planned time of sending to each answer, by its status.
        lost: number of requests without an answer.
        late: 99th percentile of the delay between planned and actual sending, milliseconds.
    """

    by_status: dict[int, list[float]]
    lost: int
    late: float

    def percentile(self, status: int, percent: float) -> float:
        """Return a percentile of the milliseconds to answers of a status."""
        return float(np.percentile(self.by_status.get(status) or [np.nan], percent))


class Connection(asyncio.Protocol):
    """A connection for one request at a time. After the answer it puts itself back into the queue of free ones."""

    def __init__(self, free: "asyncio.Queue[Connection]", latencies: Latencies) -> None:
        self.free, self.latencies = free, latencies
        self.received, self.planned_at = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Put the new connection into the queue of free ones."""
        self.transport: Any = transport
        self.free.put_nowait(self)

    def send(self, request: bytes, planned_at: float) -> None:
        """Send a request, whose latency counts from the time at which it was planned."""
        self.received, self.planned_at = b"", planned_at
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Append a part of an answer; record the latency of a complete one."""
        self.received += data
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length and len(body) == int(length[1]):
            milliseconds = 1e3 * (time.perf_counter() - self.planned_at)
            self.latencies.by_status.setdefault(int(head[9:12]), []).append(milliseconds)
            self.planned_at = 0.0
            self.free.put_nowait(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the answer that this connection was waiting for as lost."""
        self.latencies.lost += self.planned_at > 0


class Bodies(NamedTuple):
    """Bodies of the requests, sent in turn, and their content type."""

    content_type: str
    bodies: Sequence[bytes]


def request_bodies(bundle: Path, days: int) -> Bodies:
    """Return a photo, or forecasts of ``days`` days for random stores."""
    if kind_of(bundle) == "pets":
        return Bodies("image/jpeg", [made_up_photo()])
    about, rng = read_manifest(bundle), np.random.default_rng(0)
    start = str(about.cutoff + dt.timedelta(days=1))
    bodies = [
        json.dumps({"store": store, "start": start, "days": min(days, about.horizon)}).encode()
        for store in rng.choice(about.levels["Store"], 1000).tolist()
    ]
    return Bodies("application/json", bodies)


async def replay(url: str, requests: Bodies, rate: float, seconds: float, seed: int) -> Latencies:
    """Send requests at random times, each on a free connection, and wait for all answers."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(1 / rate, int(rate * seconds))).tolist()
    where = urlsplit(url)
    head = f"POST {where.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {requests.content_type}\r\nContent-Length: "
    messages = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in requests.bodies]
    latencies, free, late = Latencies({}, 0, 0.0), asyncio.Queue[Connection](), []
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(free, latencies), where.hostname or HOST, where.port or 80)
    begin = time.perf_counter()
    for number, at in enumerate(times):
        if (wait := begin + at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        connection = await free.get()
        late.append(1e3 * (time.perf_counter() - begin - at))
        connection.send(messages[number % len(messages)], begin + at)
    until = time.perf_counter() + 60
    while free.qsize() + latencies.lost < CONNECTIONS and time.perf_counter() < until:
        await asyncio.sleep(0.01)
    latencies.lost = len(times) - sum(map(len, latencies.by_status.values()))
    latencies.late = float(np.percentile(late, 99))
    while not free.empty():
        free.get_nowait().transport.close()
    return latencies


def capacity(url: str, requests: Bodies, workers: int, seconds: float) -> float:
    """Return the requests a second with all workers busy and no rejection.

    It sends as many requests at once as the admission limit always admits, 4 a worker.
    """
    load = measure(url, requests.bodies, connections=4 * workers, seconds=seconds, content_type=requests.content_type)
    return load.rate


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--days", type=int, default=42, help="days of each forecast")
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    bodies = request_bodies(args.bundle, args.days)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(args.bundle, kind_of(args.bundle), Path(folder), args.workers) as url,
    ):
        capacity(url, bodies, args.workers, 10)  # warm-up: the JVM compiles its hot code
        most = capacity(url, bodies, args.workers, 10)
        calm = uvloop.run(replay(url, bodies, most / 4, args.seconds, seed=1))
        storm = uvloop.run(replay(url, bodies, 4 * most, args.seconds, seed=2))
    sent = (
        bodies.bodies[0].decode() if bodies.content_type == "application/json" else f"{len(bodies.bodies[0]):,} bytes"
    )
    print(f"capacity: {most:,.0f} requests/s, of {urlsplit(url).path}, {sent} and the like; {args.workers} workers")
    print("| load | answered 200 | p50 ms | p99 ms | rejected 503 | p50 ms | p99 ms | max ms | others | no answer |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, latencies in ((f"{most / 4:,.0f}/s", calm), (f"{4 * most:,.0f}/s", storm)):
        counts = {status: len(times) for status, times in latencies.by_status.items()}
        others = sum(counts.values()) - counts.get(OK, 0) - counts.get(REJECTED, 0)
        cells = [f"{counts.get(OK, 0):,}", *(f"{latencies.percentile(OK, percent):.1f}" for percent in (50, 99))]
        cells += [f"{counts.get(REJECTED, 0):,}"]
        cells += [f"{latencies.percentile(REJECTED, percent):.1f}" for percent in (50, 99, 100)]
        print(table_row(name, [*cells, str(others), str(latencies.lost)]))
    ratio = storm.percentile(OK, 99) / calm.percentile(OK, 99)
    print(f"p99 of the answers with 200: {ratio:.1f} times that of the low load")
    print(f"the generator sent up to {calm.late:.1f} and {storm.late:.1f} ms late (p99)")


if __name__ == "__main__":
    main()
