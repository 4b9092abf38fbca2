"""Tables to features: how long, and how much memory, from CSV files to the network's input for every training row.

    python benchmarks/features_rate.py [FOLDER]      the seven tables; $SHOPCAT_DATA/rossmann if left out

Each mode is timed in a process of its own, since a process's peak memory does not go down.
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

ROUNDS = 5
MODES = ("production", "parity")


def measure(folder: Path, mode: str) -> dict[str, float]:
    """Seconds of each step, rows, and the process's peak memory in MB."""
    from sales.features import Features
    from sales.preprocess import Preprocessor
    from training.sales.data.panel import panel_from_tables
    from training.sales.data.tables import read_tables
    from training.sales.evaluation import Rows

    times = [time.perf_counter()]
    tables = read_tables(folder)
    times.append(time.perf_counter())
    panel = panel_from_tables(tables)
    features = Features(panel, mode)
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
    """Print a table with the medians of several rounds."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(os.environ["SHOPCAT_DATA"], "rossmann"))
    print("| mode | rows in train.csv | sold | read and check CSV | features | preprocess | all | peak memory |")
    print("|---|---|---|---|---|---|---|---|")
    for mode in MODES:
        command = [sys.executable, __file__, "--once", str(folder), mode]
        rounds = [json.loads(subprocess.check_output(command)) for _ in range(ROUNDS)]
        mid = {key: median(each[key] for each in rounds) for key in rounds[0]}
        print(
            f"| {mode} | {mid['table rows']:,.0f} | {mid['rows sold']:,.0f} | {mid['read']:.2f} s "
            f"| {mid['features']:.2f} s | {mid['preprocess']:.2f} s | {mid['all']:.2f} s | {mid['MB']:,.0f} MB |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        print(json.dumps(measure(Path(sys.argv[2]), sys.argv[3])))
    else:
        main()
