"""Does it stay as it is? All kinds of requests for both models, many connections, for long, and the memory they leave.

    python -m benchmarks.soak model_store/demo model_store/pets [--minutes 10] [--connections 32]

Every request must be answered with the status that it deserves, or refused for want of room, and no process may grow by
more than 3 percent between the first and the last tenth of the time after the warm-up, a fifth of it. Exit status 1 if
that is not so.
"""

import argparse
import contextlib
import http.client
import json
import random
import re
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.photos import made_up_photo
from sales.bundle import read_manifest
from serving.ports import HOST, Ports

WARM_UP, EDGE, GROWTH = 0.2, 0.1, 0.03
EVERY_S = 2.0  # a look at the memory
REFUSED = 503  # what the front door says where there is no room, which is as it should be too


class Request(NamedTuple):
    """What is sent, how often among the others, and the status that it deserves."""

    name: str
    path: str
    body: bytes
    content_type: str
    status: int
    weight: int


def mix(bundle: Path) -> list[Request]:
    """Requests of all kinds."""
    manifest = read_manifest(bundle)
    day = str(manifest.last_date if manifest.horizon <= 0 else manifest.cutoff.replace(day=28))
    store = manifest.levels["Store"][0]
    sales, pets, photo = "/predictions/sales", "/predictions/pets", made_up_photo()

    def forecast(name: str, body: object, status: int, weight: int) -> Request:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Request(name, sales, content, "application/json", status, weight)

    return [
        forecast("one forecast", {"store": store, "date": day}, 200, 400),
        forecast("another promotion", {"store": store, "date": day, "promo": True}, 200, 60),
        forecast("42 days", {"store": store, "start": day, "days": 42}, 200, 20),
        forecast("items, one bad", {"items": [{"store": store, "date": day}, {"store": -1, "date": day}]}, 200, 20),
        forecast("no JSON", b"{", 400, 20),
        forecast("unknown store", {"store": 10**6, "date": day}, 404, 20),
        forecast("no date", {"store": store}, 422, 20),
        Request("a photo", pets, photo, "image/jpeg", 200, 6),
        Request("a heatmap", f"{pets}?heatmap=gradcam", photo, "image/jpeg", 200, 6),
        Request("half a photo", pets, photo[: len(photo) // 2], "image/jpeg", 422, 3),
        Request("no photo", pets, b"meow", "image/jpeg", 422, 3),
    ]


@dataclass
class Seen:
    """What all connections saw."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


def connect(port: int, requests: Sequence[Request], until: float, seed: int, seen: Seen) -> None:
    """One connection's part."""
    rng = random.Random(seed)
    answers: Counter[tuple[str, int]] = Counter()
    unanswered: Counter[str] = Counter()
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    while time.monotonic() < until:
        (request,) = rng.choices(requests, [each.weight for each in requests])
        try:
            connection.request("POST", request.path, request.body, {"Content-Type": request.content_type})
            answer = connection.getresponse()
            answer.read()
            answers[request.name, answer.status] += 1
        except (OSError, http.client.HTTPException) as error:
            unanswered[f"{request.name}: {error!r}"] += 1
            connection.close()
    connection.close()
    with seen.lock:
        seen.answers += answers
        seen.unanswered += unanswered


def memory(server: int) -> dict[str, int]:
    """Resident bytes of a server's processes, by name and number."""
    found = {}
    process = psutil.Process(server)
    for each in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            found[f"{each.name()} {each.pid}"] = each.memory_info().rss
    return found


@contextlib.contextmanager
def serving(bundles: Sequence[Path], log: Path) -> Iterator[tuple[int, int]]:
    """`shopcat serve`, as a user starts it: its process and port."""
    ports = Ports.any_free()
    command = [sys.executable, "-m", "cli", "serve", *map(str, bundles), "--port", str(ports.inference)]
    command += ["--metrics-port", str(ports.metrics)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            while not re.search(r"Ctrl-C stops it", log.read_text()):
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.2)
            yield process.pid, ports.inference
        finally:
            process.terminate()
            process.wait(120)


def main() -> None:
    """Run it and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sales", type=Path)
    parser.add_argument("pets", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--log", type=Path, default=Path("build/soak.log"), help="what the server prints")
    asked = parser.parse_args()
    asked.log.parent.mkdir(parents=True, exist_ok=True)
    requests, seen = mix(asked.sales), Seen()
    samples: dict[str, list[tuple[float, int]]] = {}
    with serving([asked.sales, asked.pets], asked.log) as (pid, port):
        start = time.monotonic()
        until = start + 60 * asked.minutes
        threads = [
            threading.Thread(target=connect, args=(port, requests, until, number, seen))
            for number in range(asked.connections)
        ]
        for thread in threads:
            thread.start()
        while time.monotonic() < until:
            for name, size in memory(pid).items():
                samples.setdefault(name, []).append((time.monotonic() - start, size))
            time.sleep(EVERY_S)
        for thread in threads:
            thread.join()
    wrong = report(requests, seen, asked) + grown(samples, 60 * asked.minutes)
    print("\n".join(wrong) or "every request was answered as it deserves, and no process grew")
    raise SystemExit(bool(wrong))


def report(requests: Sequence[Request], seen: Seen, asked: argparse.Namespace) -> list[str]:
    """Print what was answered; what was not as it should be."""
    total = sum(seen.answers.values())
    print(f"{total:,} answers in {asked.minutes:g} min over {asked.connections} connections")
    print("| request | status | answers |\n|---|---:|---:|")
    expected = {request.name: request.status for request in requests}
    for (name, status), count in sorted(seen.answers.items()):
        print(f"| {name} | {status} | {count:,} |")
    wrong = [
        f"{count:,} x {name} was answered {status}, not {expected[name]}"
        for (name, status), count in seen.answers.items()
        if status not in (expected[name], REFUSED)
    ]
    return wrong + [f"{count:,} x not answered: {what}" for what, count in seen.unanswered.items()]


def grown(samples: dict[str, list[tuple[float, int]]], seconds: float) -> list[str]:
    """Print each process's memory after the warm-up; the processes that grew or that were not there throughout."""
    wrong, begin = [], WARM_UP * seconds
    first, last = begin + EDGE * (seconds - begin), seconds - EDGE * (seconds - begin)
    print("| process | MB after the warm-up | MB at the end | |\n|---|---:|---:|---:|")
    for name, sizes in samples.items():
        early = [size for at, size in sizes if begin <= at <= first]
        late = [size for at, size in sizes if at >= last]
        if not early or not late:
            wrong.append(f"{name} did not live throughout")
            continue
        was, now = statistics.median(early), statistics.median(late)
        print(f"| {name} | {was / 1e6:.1f} | {now / 1e6:.1f} | {now / was - 1:+.1%} |")
        if now > was * (1 + GROWTH):
            wrong.append(f"{name} grew by {now / was - 1:.1%}")
    return wrong


if __name__ == "__main__":
    main()
