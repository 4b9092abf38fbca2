"""Measure the time of sales training steps by number of OpenMP threads, with idle and with busy neighbours.

    python -m benchmarks.train_threads [--rounds 5] [--neighbours 0 2] [--batches 128 1024]

Trains the default network (1000, 500) on random rows, for each number of threads. OpenMP threads wait for one another
either spinning (the default) or passively. All settings take turns, so that other load on the machine meets each of
them. Prints the median wall time and CPU time of a step, and the wall time as a ratio to one thread's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from training.loop.threads import PASSIVE

# Codes of the categorical columns in production mode on the demonstration's tables, roughly.
CODES = (41, 8, 3, 13, 32, 5, 4, 4, 13, 53, 7, 5, 4, 3, 3, 3)
CONTS = 24
ROWS_A_ROUND = 4096
WAITING = {"spinning": {}, "passive": PASSIVE}


@contextmanager
def busy_neighbours(number: int) -> Iterator[None]:
    """Keep a number of processes busy in the block, each on one core."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def trainer(environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that trains on request."""
    command = [sys.executable, "-m", "benchmarks.train_threads", "--serve"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env={**os.environ, **environment}, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def measure(process: "subprocess.Popen[str]", threads: int, batch_size: int) -> tuple[float, float]:
    """Return the wall time and the CPU time of a training step, in seconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{threads} {batch_size}\n")
    process.stdin.flush()
    wall, cpu = json.loads(process.stdout.readline())
    return wall, cpu


def serve_measurements() -> None:
    """Train for each line of standard input, ``threads batch_size``, and print the times of a step."""
    import torch

    from training.loop.batches import TensorBatches
    from training.loop.learner import Learner
    from training.sales.model.network import TabularNet, emb_sz_lesson

    for line in sys.stdin:
        threads, batch_size = map(int, line.split())
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        emb_szs = [(codes, emb_sz_lesson(codes)) for codes in CODES]
        net = TabularNet(emb_szs, CONTS, (1000, 500), (0.1, 0.2), 0.1, y_range=(0.0, 10.0))
        learner = Learner(net, torch.nn.functional.mse_loss, progress=False)
        rows = max(ROWS_A_ROUND, 4 * batch_size)
        cats = torch.stack([torch.randint(0, codes, (rows,), dtype=torch.int32) for codes in CODES], 1)
        tensors = cats, torch.randn(rows, CONTS), torch.randn(rows) + 5
        batches = list(TensorBatches(*tensors, batch_size=batch_size))  # a list, so that the learner keeps the threads
        learner.fit_one_cycle(batches, 1, 1e-3)
        wall, cpu = time.perf_counter(), time.process_time()
        learner.fit_one_cycle(batches, 1, 1e-3)
        steps = len(batches)
        print(json.dumps([(time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps]), flush=True)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="number of measurements of each setting")
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 2], help="numbers of busy processes beside it")
    parser.add_argument("--batches", type=int, nargs="+", default=[128, 1024], help="numbers of rows in a batch")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve_measurements()
        return
    numbers = sorted({1, *(n for n in (2, 4, 8) if n <= (os.cpu_count() or 1))})
    times: dict[tuple[int, int, str, int], list[tuple[float, float]]] = defaultdict(list)
    with ExitStack() as stack:
        trainers = {waiting: stack.enter_context(trainer(settings)) for waiting, settings in WAITING.items()}
        for _ in range(arguments.rounds):
            for neighbours in arguments.neighbours:
                with busy_neighbours(neighbours):
                    for batch_size in arguments.batches:
                        for waiting, process in trainers.items():
                            for threads in numbers:
                                setting = batch_size, neighbours, waiting, threads
                                times[setting].append(measure(process, threads, batch_size))
    print("| rows in a batch | busy neighbours | waiting | threads | wall, ms a step | CPU, ms a step | wall ratio |")
    print("|---:|---:|---|---:|---:|---:|---:|")
    for (batch_size, neighbours, waiting, threads), measured in times.items():
        wall, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
        single = times[batch_size, neighbours, waiting, 1]
        ratio = statistics.median(ours[0] / one[0] for ours, one in zip(measured, single, strict=True))
        print(
            f"| {batch_size:,} | {neighbours} | {waiting} | {threads} | {1e3 * wall:.2f} | {1e3 * cpu:.2f} "
            f"| {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
