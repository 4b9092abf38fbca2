"""Measure rows of the table and write them to docs/reference/benchmarks.md and benchmarks.json.

    python -m benchmarks.table [ROW ...]

Without a row, all are measured. Each takes less than 5 minutes on two quiet cores.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.table import bulk, photos, record, sales, training
from benchmarks.table.record import Result

Measure = Callable[[argparse.Namespace], tuple[list[Result], str]]

ROWS: Mapping[str, tuple[str, Measure]] = {
    "sales": (
        "Forecasts of one day",
        lambda args: sales.rows(args.sales, rounds=args.rounds, seconds=args.seconds),
    ),
    "sales-one-worker": (
        "Forecasts of one day, one worker",
        lambda args: sales.one_worker_rows(args.sales, rounds=args.rounds, seconds=args.seconds),
    ),
    "sales-peers": (
        "Forecasts of one day, other servers",
        lambda args: sales.peer_rows(args.sales, rounds=args.rounds, seconds=args.seconds),
    ),
    "sales-42": (
        "Forecasts of six weeks",
        lambda args: sales.long_rows(args.sales, rounds=args.rounds, seconds=args.seconds),
    ),
    "bulk": (
        "Forecasts of files",
        lambda args: bulk.rows(args.sales, rounds=args.rounds),
    ),
    "training": (
        "Training",
        lambda args: training.rows(rounds=args.rounds),
    ),
    "http-server": (
        "HTTP server of a worker",
        lambda args: sales.http_server_rows(args.sales, rounds=args.rounds, seconds=args.seconds),
    ),
    "photos": (
        "Photos",
        lambda args: photos.rows(args.pets, args.photos, rounds=args.rounds, seconds=args.seconds),
    ),
    "photo-steps": (
        "One photo in a process",
        lambda args: photos.step_rows(args.pets, args.photos, rounds=args.rounds),
    ),
}


def main() -> None:
    """Measure rows and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--sales", type=Path, default=Path("model_store/demo"), help="bundle of the sales rows")
    parser.add_argument("--pets", type=Path, default=Path("model_store/pets"), help="bundle of the rows of photos")
    parser.add_argument("--photos", type=Path, help="folder with images/ in it; generated photos if left out")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="seconds of each measurement")
    args = parser.parse_args()
    for row in args.rows or ROWS:
        title, measure = ROWS[row]
        results, about = measure(args)
        record.save(title, results, about)
        for result in results:
            print(f"{result.ratio:6.2f}  {result.what} against {result.peer}: {result.figures}")


if __name__ == "__main__":
    main()
