"""What becomes of requests when there are four times as many as can be answered.

    python -m benchmarks.overload model_store/pets
    python -m benchmarks.overload model_store/sales

A seeded stream of photos, or of forecasts of six weeks, at random times (a Poisson process: clients do not wait for one
another), is sent to a service behind its front door: first at a quarter of what it can answer, then at four times that
for 30 seconds. Every request must be answered; printed is how fast the good ones were, and how fast the others were
refused.
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

from benchmarks.load import measure
from benchmarks.photos import made_up_photo
from benchmarks.serving import service
from runtime.bundle import kind_of
from sales.bundle import read_manifest

OK, REFUSED = 200, 503
CONNECTIONS = 256  # of the generator: more than are let in, and few enough to be served by a small machine


@dataclass
class Seen:
    """Milliseconds to each answer by its status, and what got none."""

    took: dict[int, list[float]]
    lost: int
    late: float  # ms, the 99th percentile of how much later than planned a request was sent

    def percentile(self, status: int, percent: float) -> float:
        """Of the milliseconds to answers of a status."""
        return float(np.percentile(self.took.get(status) or [np.nan], percent))


class Connection(asyncio.Protocol):
    """A connection that has one request at a time; it gives itself back when the answer is whole."""

    def __init__(self, free: "asyncio.Queue[Connection]", seen: Seen) -> None:
        self.free, self.seen = free, seen
        self.received, self.sent_at = b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open, and free for a request."""
        self.transport: Any = transport
        self.free.put_nowait(self)

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.received, self.sent_at = b"", time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Some of an answer."""
        self.received += data
        head, _, body = self.received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if length and len(body) == int(length[1]):
            self.seen.took.setdefault(int(head[9:12]), []).append(1e3 * (time.perf_counter() - self.sent_at))
            self.sent_at = 0.0
            self.free.put_nowait(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed: an answer that was still to come is lost."""
        self.seen.lost += self.sent_at > 0


class Asked(NamedTuple):
    """What is asked again and again: the bodies in turn."""

    content_type: str
    bodies: Sequence[bytes]


def what_to_ask(bundle: Path, days: int) -> Asked:
    """A photo, or forecasts of random stores for some days."""
    if kind_of(bundle) == "pets":
        return Asked("image/jpeg", [made_up_photo()])
    about, rng = read_manifest(bundle), np.random.default_rng(0)
    start = str(about.cutoff + dt.timedelta(days=1))
    bodies = [
        json.dumps({"store": store, "start": start, "days": min(days, about.horizon)}).encode()
        for store in rng.choice(about.levels["Store"], 1000).tolist()
    ]
    return Asked("application/json", bodies)


async def replay(url: str, asked: Asked, rate: float, seconds: float, seed: int) -> Seen:
    """Send requests at random times, each on a connection that is free, and wait for all answers."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(1 / rate, int(rate * seconds))).tolist()
    where = urlsplit(url)
    head = f"POST {where.path} HTTP/1.1\r\nHost: x\r\nContent-Type: {asked.content_type}\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in asked.bodies]
    seen, free, late = Seen({}, 0, 0.0), asyncio.Queue[Connection](), []
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Connection(free, seen), where.hostname, where.port)
    begin = time.perf_counter()
    for number, at in enumerate(times):
        if (wait := begin + at - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        connection = await free.get()
        late.append(1e3 * (time.perf_counter() - begin - at))
        connection.send(requests[number % len(requests)])
    until = time.perf_counter() + 60
    while free.qsize() + seen.lost < CONNECTIONS and time.perf_counter() < until:
        await asyncio.sleep(0.01)
    seen.lost = len(times) - sum(map(len, seen.took.values()))
    seen.late = float(np.percentile(late, 99))
    while not free.empty():
        free.get_nowait().transport.close()
    return seen


def capacity(url: str, asked: Asked, workers: int, seconds: float) -> float:
    """Requests a second when all workers are busy and none is refused: as many at once as are let in at the least."""
    return measure(url, asked.bodies, connections=4 * workers, seconds=seconds, content_type=asked.content_type).rate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--days", type=int, default=42, help="of each forecast")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    what = what_to_ask(asked.bundle, asked.days)
    with (
        tempfile.TemporaryDirectory() as folder,
        service(asked.bundle, kind_of(asked.bundle), Path(folder), asked.workers) as url,
    ):
        capacity(url, what, asked.workers, 10)  # the JVM compiles what is hot
        most = capacity(url, what, asked.workers, 10)
        calm = uvloop.run(replay(url, what, most / 4, asked.seconds, seed=1))
        storm = uvloop.run(replay(url, what, 4 * most, asked.seconds, seed=2))
    sent = what.bodies[0].decode() if what.content_type == "application/json" else f"{len(what.bodies[0]):,} bytes"
    print(f"capacity: {most:,.0f} requests/s, of {urlsplit(url).path}, {sent} and the like; {asked.workers} workers")
    print("| load | answered 200 | p50 ms | p99 ms | refused 503 | p50 ms | p99 ms | max ms | others | no answer |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, seen in ((f"{most / 4:,.0f}/s", calm), (f"{4 * most:,.0f}/s", storm)):
        counts = {status: len(took) for status, took in seen.took.items()}
        others = sum(counts.values()) - counts.get(OK, 0) - counts.get(REFUSED, 0)
        print(
            f"| {name} | {counts.get(OK, 0):,} | {seen.percentile(OK, 50):.1f} | {seen.percentile(OK, 99):.1f} "
            f"| {counts.get(REFUSED, 0):,} | {seen.percentile(REFUSED, 50):.1f} | {seen.percentile(REFUSED, 99):.1f} "
            f"| {seen.percentile(REFUSED, 100):.1f} | {others} | {seen.lost} |"
        )
    print(f"p99 of the good ones: {storm.percentile(OK, 99) / calm.percentile(OK, 99):.1f} times that of the calm")
    print(f"the generator sent up to {calm.late:.1f} and {storm.late:.1f} ms late (p99)")


if __name__ == "__main__":
    main()
