"""Measure how much the embedding of photos slows forecasts of the same service.

    python -m benchmarks.labelling.undisturbed model_store/demo model_store/pets PHOTOS [--photos 2000]

A service has both bundles, and a project whose photos are being embedded. Forecasts are measured in pairs of turns: in
one of each, the process of the embedding is stopped (SIGSTOP), in the other it goes on (SIGCONT). It ends when all
photos are embedded. Then an empty loop of the same priority takes the place of the embedding, for comparison. Prints
the latencies in ms, their ratios with quartiles, and the photos per second.
"""

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil

from benchmarks.labelling.first_map import Client, running, waited
from benchmarks.load_generator.closed_loop import generator, measure
from benchmarks.table.sales import one_day
from labelling.projects.progress import read_progress
from labelling.projects.store import Project, ProjectStore
from runtime.bundle import name_of
from serving.tuning.load import Load

LOOPED = 10  # pairs with the empty loop


def make_photos(source: Path, folder: Path, count: int) -> Path:
    """Copy photos into a folder, some of them several times with a byte more, so that all differ."""
    folder.mkdir()
    photos = sorted(source.glob("*.jpg"))
    for number in range(count):
        copy = shutil.copy(photos[number % len(photos)], folder / f"{number:05d}.jpg")
        with Path(copy).open("ab") as file:
            file.write(b"\0" * (number // len(photos)))
    return folder


def embedding() -> psutil.Process | None:
    """Return the process of the embedding, which is a descendant of this one."""
    for process in psutil.Process().children(recursive=True):
        try:
            if "labelling.projects.embedding" in process.cmdline():
                return process
        except psutil.Error:
            continue
    return None


@contextlib.contextmanager
def empty_loop() -> Iterator[psutil.Process]:
    """Run a process that does nothing, at the priority of the embedding."""
    program = "from runtime.cores import lower_priority; lower_priority()\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        yield psutil.Process(process.pid)
        process.kill()


def measure_pair(process: psutil.Process, turn: Callable[[], Load], *, busy_first: bool) -> tuple[Load, Load]:
    """Measure a quiet turn, while a process is stopped, and a busy one.

    Raises:
        psutil.NoSuchProcess: if the process has ended.
    """
    turns: dict[bool, Load] = {}
    for busy in (busy_first, not busy_first):
        process.send_signal(signal.SIGCONT if busy else signal.SIGSTOP)
        turns[busy] = turn()
    process.send_signal(signal.SIGCONT)
    return turns[False], turns[True]


def measure_pairs(turn: Callable[[], Load], project: Project) -> list[tuple[Load, Load]]:
    """Measure pairs of a quiet and a busy turn until all photos are embedded."""
    pairs: list[tuple[Load, Load]] = []
    while (process := embedding()) is not None:
        try:
            pair = measure_pair(process, turn, busy_first=len(pairs) % 2 == 0)
        except psutil.NoSuchProcess:
            break
        if not read_progress(project).finished:  # the last turn was not busy to its end
            pairs.append(pair)
    return pairs


def print_ratios(what: str, pairs: Sequence[tuple[Load, Load]]) -> None:
    """Print the figures of pairs: medians of both turns, and their ratios with quartiles."""
    print(f"\n{what}, {len(pairs)} pairs")
    for name in ("p50", "p99", "rate"):
        low, median, high = statistics.quantiles([getattr(b, name) / getattr(q, name) for q, b in pairs], n=4)
        quiet, busy = (statistics.median(getattr(load, name) for load in loads) for loads in zip(*pairs, strict=True))
        print(f"{name}: quiet {quiet:.2f}, busy {busy:.2f}; ratio {median:.3f} (quartiles {low:.3f}, {high:.3f})")


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sales", type=Path)
    parser.add_argument("pets", type=Path)
    parser.add_argument("folder", type=Path, metavar="photos")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    bodies = one_day(options.sales)
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(temporary, "data")
        project = ProjectStore(data / "projects").create("Photos")
        project.photos.add_folder(make_photos(options.folder, Path(temporary, "photos"), options.photos))
        command: list[str | Path] = ["serve", options.sales, options.pets, "--runner", "python", "--workers", "1"]
        load = os.getloadavg()[0]
        with running(*command, data=data) as url:
            waited(Client(url).answers)
            address = f"{url}/predictions/{name_of(options.sales)}"
            waited(lambda: embedding() is not None)
            turn = partial(measure, address, bodies, connections=options.connections, seconds=options.seconds)
            turn()  # warms up
            before, began = read_progress(project).embedded, time.monotonic()
            pairs = measure_pairs(turn, project)
            rate = (read_progress(project).embedded - before) / (time.monotonic() - began)
            with empty_loop() as process:
                looped = [measure_pair(process, turn, busy_first=number % 2 == 0) for number in range(LOOPED)]
    print(f"{options.connections} connections by {generator()}, turns of {options.seconds:g} s")
    print(f"load of the machine before: {load:.1f}; {rate:.1f} photos a second while half of the time is quiet")
    print_ratios("embedding", pairs)
    print_ratios("empty loop", looped)


if __name__ == "__main__":
    main()
