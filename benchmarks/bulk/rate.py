"""Rate and memory of a bulk job of sales forecasts: one process and two, few rows and many, CSV and Parquet.

    python -m benchmarks.bulk.rate BUNDLE [--rows 5000000] [--rounds 3]

The rows are all days ahead of all stores, again and again, with a promotion stated for each; every thousandth row
contradicts the plan, so that the network runs all the time. Rates are rows for a second of CPU time of all workers and
the driver, because other programs on the machine change these little. Beside them stands the machine's limit, measured
in the same run: pandas reads the same file in one process, and in two at once. The output of all jobs is compared as a
set of rows, by a hash of the sorted rows.
"""

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
from pyarrow import parquet

from sales.forecaster import Forecaster

BLOCK = 500_000  # rows that are written at a time
SMALL = 1_000_000


def main() -> None:
    """Print the rates, the memory and the hashes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for suffix in ("csv", "parquet"):
            for n_rows in (SMALL, options.rows):
                write_rows(options.bundle, folder / f"{n_rows}.{suffix}", n_rows)
            compare(options.bundle, folder, suffix, options.rows, options.rounds)


def write_rows(bundle: Path, file: Path, n_rows: int) -> None:
    """Write rows of all stores and days ahead, in a random order, a block at a time."""
    model = Forecaster.load(bundle).model
    rng = np.random.default_rng(0)
    ids, first = np.array(model.panel.store_ids), np.datetime64(model.panel.calendar.date(model.panel.cutoff + 1))
    writer = None
    for begin in range(0, n_rows, BLOCK):
        count = min(BLOCK, n_rows - begin)
        store, ahead = rng.integers(0, len(ids), count), rng.integers(0, model.horizon, count)
        promo = (ahead // 7 + store) % 2
        odd = rng.random(count) < 0.001
        columns = {
            "id": np.arange(begin, begin + count),
            "store": ids[store],
            "date": (first + ahead).astype(str),
            "promo": np.where(odd, 1 - promo, promo),
        }
        if file.suffix == ".csv":
            pd.DataFrame(columns).to_csv(file, mode="a", header=not begin, index=False)
            continue
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def compare(bundle: Path, folder: Path, suffix: str, n_rows: int, rounds: int) -> None:
    """Print what jobs of one and two processes do with few rows and with many."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    hashes, peaks = set(), {}
    for _ in range(rounds):
        for processes in rates:
            out = folder / "out"
            seconds, wall, peak = job(bundle, folder / f"{n_rows}.{suffix}", out, processes)
            rates[processes].append(n_rows / seconds)
            peaks[n_rows, processes] = peak
            hashes.add(hash_of(out))
            print(f"{suffix} {n_rows:,} rows, {processes} processes: {n_rows / seconds:,.0f} rows/CPU s, "
                  f"{n_rows / wall:,.0f} rows/s, largest worker {peak / 2**20:,.0f} MiB", flush=True)  # fmt: skip
    out = folder / "out"
    peaks[SMALL, 1] = job(bundle, folder / f"{SMALL}.{suffix}", out, 1)[2]
    one, two = median(rates[1]), median(rates[2])
    print(f"{suffix}: two processes have {two / one:.2f} of the rate a core of one; the machine's limit is "
          f"{limit(folder / f'{SMALL}.{suffix}', rounds):.2f}")  # fmt: skip
    print(f"{suffix}: {len(hashes)} different outputs by the hash of sorted rows")
    print(f"{suffix}: largest worker {peaks[SMALL, 1] / 2**20:,.0f} MiB at {SMALL:,} rows, "
          f"{peaks[n_rows, 1] / 2**20:,.0f} MiB at {n_rows:,}", flush=True)  # fmt: skip


def limit(file: Path, rounds: int) -> float:
    """Return the rate a core of two processes that only read a file, by that of one."""
    read = f"import pandas; [pandas.read_{file.suffix[1:]}({str(file)!r}) for _ in range(5)]"

    def seconds(count: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        running = [subprocess.Popen([sys.executable, "-c", read]) for _ in range(count)]
        for process in running:
            process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count

    return median(seconds(1) / seconds(2) for _ in range(rounds))


def job(bundle: Path, source: Path, out: Path, processes: int) -> tuple[float, float, int]:
    """Run a job; return its CPU seconds, its seconds, and the resident bytes of its largest process."""
    subprocess.run(["rm", "-rf", str(out)], check=True)
    command = [sys.executable, "-m", "cli", "forecast", str(bundle), str(source), "--out", f"{out}/"]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    running = psutil.Popen([*command, "--processes", str(processes)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while running.poll() is None:
        peak = max(peak, *(resident(process) for process in [running, *children(running)]))
        time.sleep(0.05)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if running.returncode:
        raise SystemExit(running.stderr.read().decode())
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, peak


def children(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes of a process; none if it has ended."""
    try:
        return list(process.children())
    except psutil.NoSuchProcess:
        return []


def resident(process: psutil.Process) -> int:
    """Return the bytes of a process in memory; 0 if it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def hash_of(out: Path) -> str:
    """Return a hash of the sorted rows of an output."""
    table = parquet.read_table(out, columns=["id", "store", "date", "promo", "sales", "assumed", "warnings"])
    frame = table.to_pandas().astype({"id": int}).sort_values("id")
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


if __name__ == "__main__":
    main()
