"""Results of rows: kept in docs/reference/benchmarks.json, and written as a table to docs/reference/benchmarks.md."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.table import machine

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"
BEGIN, END = "<!-- begin: python -m benchmarks.table -->", "<!-- end -->"


@dataclass(frozen=True)
class Result:
    """A ratio between the project and a peer, both measured in turns in one run.

    Attributes:
        what: what was measured.
        peer: what it is compared with.
        ratio: median over the rounds of the project's figure divided by the peer's.
        low: smallest ratio of a round.
        high: largest ratio of a round.
        goal: ratio that the project wants to reach; None if there is none.
        at_most: True if less is better, as for seconds.
        figures: medians of both figures with their unit.
    """

    what: str
    peer: str
    ratio: float
    low: float
    high: float
    goal: float | None
    at_most: bool
    figures: str

    @classmethod
    def of(
        cls,
        what: str,
        peer: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        *,
        unit: str,
        goal: float | None = None,
        at_most: bool = False,
    ) -> "Result":
        """Return the result of several rounds. Figures are compared within a round, so that a slow spell meets both."""
        ratios = [figure / peers for figure, peers in zip(ours, theirs, strict=True)]
        figures = f"{_figure(statistics.median(ours))} to {_figure(statistics.median(theirs))} {unit}"
        return cls(what, peer, statistics.median(ratios), min(ratios), max(ratios), goal, at_most, figures)

    @property
    def is_reached(self) -> bool | None:
        """True if the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def save(row: str, results: Sequence[Result], about: str) -> None:
    """Replace a row's results in the JSON file, with the environment and the machine's limits, and write the table."""
    file = DOCS / "benchmarks.json"
    rows: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    rows[row] = {
        "about": about,
        "environment": machine.environment(),
        "limits": {name: round(value, 1) for name, value in machine.limits().items()},
        "load": round(machine.load_average(), 1),
        "results": [asdict(result) for result in results],
    }
    file.write_text(json.dumps(rows, indent=1) + "\n")
    page = DOCS / "benchmarks.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{markdown(rows)}\n{END}{after}", encoding="utf-8")


def markdown(rows: Mapping[str, Any]) -> str:
    """Return the tables of all rows."""
    return "\n".join("\n".join([*_section(name, row), ""]) for name, row in rows.items())


def _section(name: str, row: Mapping[str, Any]) -> Iterable[str]:
    limits = ", ".join(f"{limit} {value:g}" for limit, value in row["limits"].items())
    environment = row["environment"]
    yield f"### {name}"
    yield ""
    yield f"{row['about']}"
    yield ""
    yield f"{environment['processor']}, cores: {environment['cores']}, load {row['load']:g}. One core: {limits}."
    yield ""
    yield "| what | against | ratio | lowest to highest | goal | figures |"
    yield "|---|---|---:|---:|---:|---|"
    for content in row["results"]:
        result = Result(**content)
        goal = "" if result.goal is None else f"{'at most ' if result.at_most else ''}{result.goal:g}"
        mark = "**" if result.is_reached else ""
        spread = f"{result.low:.2f} to {result.high:.2f}"
        yield (
            f"| {result.what} | {result.peer} | {mark}{result.ratio:.2f}{mark} | {spread} | {goal} | {result.figures} |"
        )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
