"""Write the costs of large loads into docs/concepts/scale.md, from figures that other benchmarks have measured.

    python -m benchmarks.scale.cost

The sources are docs/reference/benchmarks.json and growth.json, and docs/scale/measured.json. The script measures
nothing itself.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.growth.curve import Curve
from benchmarks.markdown import table_row
from benchmarks.scale.demand import DAY_S, DAYS, HOUR_S, PROMOTION

DOCS = Path(__file__).resolve().parents[2] / "docs"
MEASURED, PAGE = DOCS / "scale/measured.json", DOCS / "concepts/scale.md"
BEGIN, END = "<!-- begin: python -m benchmarks.scale.cost -->", "<!-- end -->"
TARGET = 0.6  # share of the cores in use at the peak, as the autoscaling rule has it
ROWS, PHOTOS, STORES, REQUESTS = 1e9, 1e6, 100_000, 10_000


class Cost(NamedTuple):
    """Cost of a load.

    Attributes:
        load: the load.
        rate: measured figure that the cost comes from.
        cost: core-hours, cores or memory.
        command: command that printed the figure.
    """

    load: str
    rate: str
    cost: str
    command: str


def first_number(results: Mapping[str, Any], table: str, what: str) -> float:
    """Return the first number of a result's figures in benchmarks.json."""
    figures = next(result["figures"] for result in results[table]["results"] if result["what"] == what)
    match = re.match(r"[\d,.]+", figures)
    if match is None:
        raise ValueError(f"{table}, {what}: no number at the beginning of {figures!r}")
    return float(match[0].replace(",", ""))


def cpu_seconds(service: Mapping[str, Any]) -> float:
    """Return the CPU seconds of a request at the load at which a service answers most."""
    point = max(service["points"], key=lambda point: point["answered"])
    return float(point["cores"] / point["answered"])


def on_many_cores(seconds: float) -> str:
    """Return the core-hours of CPU seconds, and the minutes on 64 cores."""
    return f"{seconds / HOUR_S:.1f} core-hours; on 64 cores, 80 % used, {seconds / 60 / 64 / 0.8:.0f} min"


def costs(reference: Path = DOCS / "reference", measured: Path = MEASURED) -> list[Cost]:
    """Return the costs of the loads."""
    files = (reference / "benchmarks.json", reference / "growth.json", measured)
    benchmarks, growth, scale = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    rows = first_number(benchmarks, "Forecasts of files", "file to file")
    jobs = scale["bulk"]["rows_per_cpu_second"]
    rate = "python -m benchmarks.bulk.rate BUNDLE --rows 5000000 --rounds 1"
    photo = cpu_seconds(scale["pets, torchserve"])
    peak = PHOTOS / DAY_S * max(DAYS["rides"]) * PROMOTION
    curves = [Curve(**content) for content in growth["stores"]]
    load, memory = (next(curve for curve in curves if curve.cost.startswith(name)) for name in ("load", "largest"))
    requests = {name: cpu_seconds(scale[f"sales, {name}"]) for name in ("python", "torchserve")}
    busy = "python -m benchmarks.scale.busy_workers"
    return [
        Cost(
            "1e9 rows, each of another store and day",
            f"{rows:,.0f} rows a CPU second",
            on_many_cores(ROWS / rows),
            "python -m benchmarks.table bulk",
        ),
        *(
            Cost(
                f"1e9 rows by a job, {name}, many of the same store and day",
                f"{alone:,.0f} rows a CPU second; {two:,.0f} with two processes",
                on_many_cores(ROWS / two),
                rate,
            )
            for name, (alone, two) in jobs.items()
        ),
        Cost(
            "1e6 photos a day",
            f"{1e3 * photo:.0f} CPU ms a photo",
            f"{PHOTOS * photo / HOUR_S:.1f} core-hours; {peak * photo / TARGET:.1f} cores at a peak of {peak:.0f}/s",
            f"{busy} model_store/pets",
        ),
        Cost(
            "100,000 stores",
            f"{load.costs[-1]:.0f} CPU s and {memory.costs[-1] / 1024:.0f} GiB for {load.sizes[-1]:,.0f}",
            f"{at(load, STORES):.0f} CPU s and {at(memory, STORES) / 1024:.0f} GiB to load a worker, extrapolated",
            "python -m benchmarks.growth stores",
        ),
        *(
            Cost(
                f"10,000 forecasts of a day a second, {name}",
                f"{1e3 * seconds:.2f} CPU ms a request",
                f"{REQUESTS * seconds:.1f} cores in use, of {REQUESTS * seconds / TARGET:.1f}",
                f"{busy} model_store/demo --runner {name}",
            )
            for name, seconds in requests.items()
        ),
    ]


def at(curve: Curve, size: float) -> float:
    """Return the cost at a larger size, by the curve's exponent."""
    return float(curve.costs[-1] * (size / curve.sizes[-1]) ** curve.exponent)


def table(found: list[Cost]) -> str:
    """Return the costs as a Markdown table."""
    lines = ["| load | measured | cost | printed by |", "|---|---|---|---|"]
    return "\n".join([*lines, *(table_row(cost.load, [cost.rate, cost.cost, f"`{cost.command}`"]) for cost in found)])


def written(page: str, content: str) -> str:
    """Return a page with the table in its place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{after}"


def main() -> None:
    """Write and print the table."""
    content = table(costs())
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), content), encoding="utf-8")
    print(content)


if __name__ == "__main__":
    main()
