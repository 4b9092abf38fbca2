"""Measure how costs grow, plot them in docs/reference/growth.svg, and write a table to docs/reference/growth.md.

    python -m benchmarks.growth [PART ...] [--rounds 3]

Without a part, all are measured. Each takes less than 5 minutes on two quiet cores. Points of parts that are not
measured stay as they are in docs/reference/growth.json.
"""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.growth import busy, photos, sales, serving, training
from benchmarks.growth.busy import Beside
from benchmarks.growth.curve import Curve
from benchmarks.table import machine

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
BEGIN, END = "<!-- begin: python -m benchmarks.growth -->", "<!-- end -->"
COLUMNS = 4  # of the plots
BUSY = "busy"

PARTS: Mapping[str, Callable[[argparse.Namespace], list[Curve]]] = {
    "rows": lambda args: sales.rows_of_files(args.sales, args.rounds),
    "requests": lambda args: sales.sizes_of_requests(args.sales, args.rounds),
    "stores": lambda args: sales.stores(args.sales, 1, args.stores),
    "photos": lambda args: photos.sizes(args.pets, args.rounds),
    "connections": lambda args: serving.connections(args.sales, args.rounds),
    "tables": lambda args: training.tables(1),
    "epochs": lambda args: training.epochs(args.rounds),
}


def main() -> None:
    """Measure parts, and write the plots and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, BUSY, []], metavar="PART", help=", ".join([*PARTS, BUSY]))
    parser.add_argument("--sales", type=Path, default=Path("model_store/demo"), help="bundle of forecasts")
    parser.add_argument("--pets", type=Path, default=Path("model_store/pets"), help="bundle of photos")
    parser.add_argument("--stores", type=int, nargs="+", default=sales.STORES, help="numbers of stores")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    file = DOCS / "growth.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    for part in args.parts or [*PARTS, BUSY]:
        results = busy.measure(args.sales, args.rounds) if part == BUSY else PARTS[part](args)
        kept[part] = [asdict(result) for result in results]
        kept["environment"] = {**machine.environment(), "load": f"{os.getloadavg()[0]:.0f}"}
        file.write_text(json.dumps(kept, indent=1) + "\n")
    curves = [Curve(**content) for part in PARTS for content in kept.get(part, ())]
    plot(curves, DOCS / "growth.svg")
    table = markdown(curves, [Beside(**content) for content in kept.get(BUSY, ())], kept["environment"])
    page = DOCS / "growth.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    print(table)


def plot(curves: Sequence[Curve], file: Path) -> None:
    """Plot the curves with logarithmic axes, each beside a line that grows as the design allows."""
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text, so that the file stays small
    rows = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(3.1 * COLUMNS, 2.5 * rows), layout="constrained")
    for axes, curve in zip(figure.subplots(rows, COLUMNS, squeeze=False).flat, curves, strict=False):
        allowed = [curve.costs[-1] * (size / curve.sizes[-1]) ** curve.expected for size in curve.sizes]
        axes.loglog(curve.sizes, allowed, color="0.7", linestyle="--")
        axes.loglog(curve.sizes, curve.costs, color="tab:blue" if curve.is_as_expected else "tab:red", marker="o")
        low, high = min(curve.costs), max(curve.costs)
        axes.set_ylim(min(low / 2, high / 10), max(high * 2, low * 10))
        axes.set_xlabel(curve.size, fontsize=8)
        axes.set_title(curve.cost, fontsize=8)
        axes.minorticks_off()  # each is an element of the file
        axes.tick_params(labelsize=7)
        axes.text(0.04, 0.92, f"exponent {curve.exponent:.2f}", transform=axes.transAxes, fontsize=8, va="top")
    for axes in list(figure.axes)[len(curves) :]:
        axes.set_axis_off()
    figure.savefig(file, metadata={"Date": None})


def markdown(curves: Sequence[Curve], beside: Sequence[Beside], environment: Mapping[str, str]) -> str:
    """Return the tables of exponents and of busy machines."""
    lines = [f"{environment['processor']}, cores: {environment['cores']}, load {environment['load']}.", ""]
    lines += ["| cost | against | from | to | exponent | expected |", "|---|---|---:|---:|---:|---:|"]
    for curve in curves:
        ends = [(curve.sizes[place], curve.costs[place]) for place in (0, -1)]
        cells = [curve.cost, curve.size, *(f"{_figure(size)}: {_figure(cost)}" for size, cost in ends)]
        mark = "**" if curve.is_as_expected else ""
        cells += [f"{mark}{curve.exponent:.2f}{mark}", f"{curve.expected:g}"]
        lines.append(f"| {' | '.join(cells)} |")
    if beside:
        lines += ["", "| work beside two busy processes | CPU time, ratio | seconds, ratio |", "|---|---:|---:|"]
        lines += [f"| {result.work} | {result.cpu:.2f} | {result.wall:.2f} |" for result in beside]
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
