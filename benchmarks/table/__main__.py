"""Measure rows of the table and write them to docs/reference/benchmarks.md and benchmarks.json.

    python -m benchmarks.table [ROW ...]

Without a row, all are measured. Each takes less than 5 minutes on two quiet cores.
"""

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.table.record import Result, save


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        title: heading in the table.
        module: module of this package that measures it; imported then, because some import torch and fastai.
        function: name of its function.
        options: options of the command that the function takes; bundles and folders of photos come first.
    """

    title: str
    module: str
    function: str
    options: str

    def measure(self, args: argparse.Namespace) -> tuple[list[Result], str]:
        """Return the results and a description."""
        module = importlib.import_module(f"benchmarks.table.{self.module}")
        values = {name: getattr(args, name) for name in self.options.split()}
        inputs = [values.pop(name) for name in ("sales", "pets", "photos") if name in values]
        results, about = getattr(module, self.function)(*inputs, **values)
        return results, about


ROWS: Mapping[str, Row] = {
    "sales": Row("Forecasts of one day", "sales", "rows", "sales rounds seconds"),
    "sales-one-worker": Row("Forecasts of one day, one worker", "sales", "one_worker_rows", "sales rounds seconds"),
    "sales-peers": Row("Forecasts of one day, other servers", "sales", "peer_rows", "sales rounds seconds"),
    "sales-42": Row("Forecasts of six weeks", "sales", "long_rows", "sales rounds seconds"),
    "bulk": Row("Forecasts of files", "bulk", "rows", "sales rounds"),
    "training": Row("Training", "training", "rows", "rounds"),
    "http-server": Row("HTTP server of a worker", "sales", "http_server_rows", "sales rounds seconds"),
    "photos": Row("Photos", "photos", "rows", "pets photos rounds seconds"),
    "photo-steps": Row("One photo in a process", "photos", "step_rows", "pets photos rounds"),
}


def main() -> None:
    """Measure rows and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--sales", type=Path, default=Path("model_store/demo"), help="bundle of the sales rows")
    parser.add_argument("--pets", type=Path, default=Path("model_store/pets"), help="bundle of the rows of photos")
    parser.add_argument("--photos", type=Path, help="folder with images/ in it; generated photos if left out")
    parser.add_argument("--rounds", type=int, default=3, help="number of measurements, whose median counts")
    parser.add_argument("--seconds", type=float, default=2, help="seconds of each measurement")
    args = parser.parse_args()
    for row in args.rows or ROWS:
        results, about = ROWS[row].measure(args)
        save(ROWS[row].title, results, about)
        for result in results:
            print(f"{result.ratio:6.2f}  {result.what} against {result.peer}: {result.figures}")


if __name__ == "__main__":
    main()
