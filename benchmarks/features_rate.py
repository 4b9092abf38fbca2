"""Measure time and memory from the CSV tables to the network's input, for all training rows.

    python -m benchmarks.features_rate [FOLDER]

FOLDER holds the seven tables; the default is $SHOPCAT_DATA/rossmann. Each mode is timed in a separate process, because
the peak memory of a process never falls.
"""

import json
import os
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import cast

from sales.columns.column import Mode

ROUNDS = 5
MODES: tuple[Mode, ...] = ("production", "parity")


def measure(folder: Path, mode: Mode) -> dict[str, float]:
    """Return the seconds of each step, the numbers of rows, and the peak memory of the process in MB."""
    from sales.features import Features
    from sales.preprocess import Preprocessor
    from training.sales.data.panel import panel_from_tables
    from training.sales.data.tables import read_tables
    from training.sales.options import DEFAULT_HORIZON
    from training.sales.rows import Rows

    times = [time.perf_counter()]
    tables = read_tables(folder)
    times.append(time.perf_counter())
    panel = panel_from_tables(tables)
    features = Features(panel, mode, horizon=DEFAULT_HORIZON)
    rows = Rows.sold(panel)
    columns = features.build(rows.store, rows.day)
    times.append(time.perf_counter())
    preprocessor = Preprocessor.fit(columns, features.feature_set.cat_names, features.feature_set.cont_names)
    preprocessor.transform(columns)
    times.append(time.perf_counter())
    read, build, preprocess = (after - before for before, after in pairwise(times))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "table rows": len(tables.train), "rows sold": len(rows), "read": read, "features": build,
        "preprocess": preprocess, "all": times[-1] - times[0], "MB": peak,
    }  # fmt: skip


def main() -> None:
    """Print a table of medians over the rounds."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(os.environ["SHOPCAT_DATA"], "rossmann"))
    print("| mode | rows in train.csv | sold | read and check CSV | features | preprocess | all | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for mode in MODES:
        command = [sys.executable, "-m", "benchmarks.features_rate", "--once", str(folder), mode]
        rounds: list[dict[str, float]] = [json.loads(subprocess.check_output(command)) for _ in range(ROUNDS)]
        mid = {key: median(figures[key] for figures in rounds) for key in rounds[0]}
        print(
            f"| {mode} | {mid['table rows']:,.0f} | {mid['rows sold']:,.0f} | {mid['read']:.2f} s "
            f"| {mid['features']:.2f} s | {mid['preprocess']:.2f} s | {mid['all']:.2f} s | {mid['MB']:,.0f} MB |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        print(json.dumps(measure(Path(sys.argv[2]), cast(Mode, sys.argv[3]))))
    else:
        main()
