"""Measure how long `shopcat serve` takes until it answers, and the memory of its processes; Linux only.

    python -m benchmarks.start [BUNDLE ...] [--rounds 5]

Both runners start in turns as a user starts them, with the demonstration and the pets bundle and default options. The
seconds end when the command has printed the first answer of each model. Then follow the CPU time and memory of each
process, the parts of the memory of the front end in Java, and the steps of a worker's start. Figures are medians.
"""

import argparse
import contextlib
import json
import math
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks.start.steps import measure
from serving.ports import Ports

RUNNERS = ("python", "torchserve")
JAVA = "front end in Java"
KINDS = {JAVA: "org.pytorch.serve.ModelServer", "gateway": "--drain-strategy"}  # argument of each kind's command
LOW = 1 << 35  # Java puts its heap below 32 GiB, so that a reference takes 4 bytes

Sizes = Mapping[str, Sequence[tuple[float, int, int]]]  # CPU seconds, proportional and private bytes of each process


@contextlib.contextmanager
def started(bundles: Sequence[Path], runner: str) -> Iterator[tuple[int, float]]:
    """Run `shopcat serve`; yield its PID and the seconds until it had printed the first answers."""
    ports = Ports.any_free()
    command = [sys.executable, "-m", "cli", "serve", *map(str, bundles), "--runner", runner, "--log-format", "text"]
    command += ["--port", str(ports.inference), "--metrics-port", str(ports.metrics)]
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            output = []
            for line in process.stdout:
                output.append(line)
                if "Ctrl-C stops it" in line:
                    break
            else:
                raise SystemExit("".join(output))
            yield process.pid, time.monotonic() - start
        finally:
            process.terminate()
            process.stdout.read()


def kind_of(process: psutil.Process) -> str:
    """Return the kind of a process of the service, with the model's name if it is a worker."""
    command = process.cmdline()
    if "handlers.python" in command:
        return f"worker of {json.loads(Path(command[-1]).read_bytes())['model']}"
    if any(argument.endswith("model_service_worker.py") for argument in command):
        return f"worker of {Path(process.cwd()).stem}"  # TorchServe runs it in the archive's folder
    return next((kind for kind, argument in KINDS.items() if argument in command), "shopcat serve")


def sizes(server: int) -> Sizes:
    """Return CPU seconds, proportional and private bytes of a process and each descendant, by kind."""
    figures: dict[str, list[tuple[float, int, int]]] = {}
    root = psutil.Process(server)
    for process in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            times, memory, kind = process.cpu_times(), process.memory_full_info(), kind_of(process)
            figures.setdefault(kind, []).append((times.user + times.system, memory.pss, memory.uss))
            if kind == JAVA:
                parts = java_parts(Path(f"/proc/{process.pid}/smaps").read_text())
                figures |= {f"{kind}: {part}": [(math.nan, size, size)] for part, size in parts.items()}
    return figures


def java_parts(smaps: str) -> dict[str, int]:
    """Return the private bytes of Java's heap, of its other memory and of files, from the text of /proc/PID/smaps."""
    parts = {"heap": 0, "classes, compiled code, threads and buffers": 0, "files": 0}
    part = ""
    for line in smaps.splitlines():
        if found := re.match(r"([0-9a-f]+)-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)", line):
            low, name = int(found[1], 16) < LOW, found[2]
            part = "files" if name.startswith("/") else "heap" if low and not name else [*parts][1]
        elif line.startswith(("Private_Clean:", "Private_Dirty:")):
            parts[part] += int(line.split()[1]) << 10
    return parts


def steps(bundle: Path) -> dict[str, tuple[float, int]]:
    """Return the steps of a worker's start in a new process; see `benchmarks.start.steps.measure`."""
    command = [sys.executable, "-m", measure.__module__, str(bundle)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, tuple[float, int]] = json.loads(output)
    return figures


def main() -> None:
    """Print tables of the time, of the memory, and of their parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = [Path("model_store/demo"), Path("model_store/pets")]
    parser.add_argument("bundles", nargs="*", type=Path, default=default)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {runner: [] for runner in RUNNERS}
    rounds: dict[str, list[Sizes]] = {runner: [] for runner in RUNNERS}
    for _ in range(args.rounds):
        for runner in RUNNERS:
            with started(args.bundles, runner) as (pid, ready):
                seconds[runner].append(ready)
                rounds[runner].append(sizes(pid))
    print(f"load {os.getloadavg()[0]:.1f}")
    print_service(seconds, rounds)
    print_processes(rounds)
    for bundle in args.bundles:
        print_steps(bundle, args.rounds)


def print_service(seconds: Mapping[str, Sequence[float]], rounds: Mapping[str, Sequence[Sizes]]) -> None:
    """Print a table with the time and the memory of the whole service."""
    print("\n| runner | seconds until ready | lowest to highest | CPU seconds | MiB |\n|---|---:|---:|---:|---:|")
    for runner, times in seconds.items():
        totals = []
        for one in rounds[runner]:
            processes = [figures for kind in one if ":" not in kind for figures in one[kind]]
            totals.append([sum(column) for column in zip(*processes, strict=True)])
        cpu, memory, _ = (statistics.median(column) for column in zip(*totals, strict=True))
        spread = f"{min(times):.1f} to {max(times):.1f}"
        print(f"| {runner} | {statistics.median(times):.1f} | {spread} | {cpu:.1f} | {memory / 2**20:.0f} |")


def print_processes(rounds: Mapping[str, Sequence[Sizes]]) -> None:
    """Print a table with the time and the memory of one process of each kind."""
    print("\n| runner | process | number | CPU seconds | MiB, shared in proportion | MiB, private |")
    print("|---|---|---:|---:|---:|---:|")
    for runner, measured in rounds.items():
        for kind, processes in measured[0].items():
            figures = [figure for one in measured for figure in one.get(kind, ())]
            cpu, *sizes = (statistics.median(column) for column in zip(*figures, strict=True))
            cells = ["" if math.isnan(cpu) else f"{cpu:.2f}", *(f"{size / 2**20:.0f}" for size in sizes)]
            print(f"| {runner} | {kind} | {len(processes)} | {' | '.join(cells)} |")


def print_steps(bundle: Path, rounds: int) -> None:
    """Print a table of the steps of a worker's start."""
    measured = [steps(bundle) for _ in range(rounds)]
    print(f"\n| step of a worker with {bundle.name} | CPU ms | MiB, private |\n|---|---:|---:|")
    for name in measured[0]:
        cpu, memory = (statistics.median(column) for column in zip(*(one[name] for one in measured), strict=True))
        print(f"| {name} | {cpu * 1000:.0f} | {memory / 2**20:.1f} |")


if __name__ == "__main__":
    main()
