"""Parts of the benchmarks that measure gateways in turns."""

import argparse
from collections.abc import Iterable
from pathlib import Path

import psutil


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of the arguments that these benchmarks share."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("bundle", type=Path)
    found.add_argument("--connections", type=int, default=32)
    found.add_argument("--rounds", type=int, default=20)
    found.add_argument("--seconds", type=float, default=2)
    return found


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU time that processes have used."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)
