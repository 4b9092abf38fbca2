"""Figures of an evaluation as gauges in Prometheus's text format, for the textfile collector of the node exporter."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from sales.uncertainty.coverage import LEVELS

GAUGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "shopcat_sales_rmspe": "Root mean square percentage error of the evaluated forecasts.",
        "shopcat_sales_wape": "Sum of the absolute errors over the sum of the sales.",
        "shopcat_sales_bias": "Forecast total over actual total, less one.",
        "shopcat_sales_baseline_rmspe": "RMSPE of the weekday-and-promotion mean on the same store-days.",
        "shopcat_sales_interval_coverage": "Share of the sales that lie in their interval, by its level in percent.",
        "shopcat_sales_interval_width": "Sum of the intervals' widths over the sum of the sales, by level in percent.",
        "shopcat_sales_pinball": "Weighted quantile loss of the 5, 10, 50, 90 and 95 % quantiles.",
        "shopcat_sales_total_coverage": "Share of the stores' totals that lie in their interval, by level in percent.",
        "shopcat_sales_evaluated_rows": "Number of evaluated store-days.",
        "shopcat_sales_evaluated_until_timestamp_seconds": "Start (UTC) of the last evaluated day.",
    }
)
"""Meaning of each gauge, by name."""


def gauges(figures: Mapping[str, Any], *, model: str, version: str) -> str:
    """Return the figures of an evaluation in Prometheus's text format.

    Args:
        figures: figures as ``Evaluation.metrics`` returns them. Gauges of intervals and of the baseline are left out if
            the figures lack them.
        model: name of the model.
        version: version of the model.
    """
    samples: dict[str, list[str]] = {}
    for name, labels, value in _samples(figures):
        text = ",".join(f'{key}="{label}"' for key, label in {"model": model, "version": version, **labels}.items())
        samples.setdefault(name, []).append(f"{name}{{{text}}} {value!r}")
    lines = []
    for name, values in samples.items():
        lines += [f"# HELP {name} {GAUGES[name]}", f"# TYPE {name} gauge", *values]
    return "\n".join(lines) + "\n"


def _samples(figures: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield name, labels and value of each sample."""
    for metric in ("rmspe", "wape", "bias"):
        yield f"shopcat_sales_{metric}", {}, float(figures[metric])
    if "weekday_promotion_mean" in figures:
        yield "shopcat_sales_baseline_rmspe", {}, float(figures["weekday_promotion_mean"]["rmspe"])
    if (intervals := figures.get("served_intervals")) is not None:
        for level in LEVELS:
            yield "shopcat_sales_interval_coverage", {"level": str(level)}, float(intervals[f"coverage_{level}"])
            yield "shopcat_sales_interval_width", {"level": str(level)}, float(intervals[f"width_{level}"])
        yield "shopcat_sales_pinball", {}, float(intervals["pinball"])
    if (totals := figures.get("served_totals")) is not None:
        for level in LEVELS:
            yield "shopcat_sales_total_coverage", {"level": str(level)}, float(totals[f"coverage_{level}"])
    yield "shopcat_sales_evaluated_rows", {}, float(figures["rows"])
    last = datetime.fromisoformat(figures["to"]).replace(tzinfo=UTC)
    yield "shopcat_sales_evaluated_until_timestamp_seconds", {}, last.timestamp()
