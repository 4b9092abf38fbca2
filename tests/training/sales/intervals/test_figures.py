"""training.sales.intervals: figures of intervals against slow loops, their Markdown, and Prometheus gauges."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sales.panel import Panel
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.residuals import Residuals
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.intervals.figures import interval_figures
from training.sales.intervals.prometheus import GAUGES, gauges
from training.sales.intervals.sections import interval_sections

WINDOWS, DAYS = 3, 14


@pytest.fixture(scope="module")
def whole(tables: Tables) -> Panel:
    return panel_from_tables(tables)


@pytest.fixture(scope="module")
def residuals(whole: Panel) -> Residuals:
    """Residuals of three windows with known errors; each eighth day is closed."""
    rng = np.random.default_rng(0)
    shape = (WINDOWS, len(whole.store_ids), DAYS)
    median = rng.uniform(1000, 2000, shape)
    sales = median * rng.lognormal(0.01, 0.1, shape)
    sales[rng.random(shape) < 1 / 8] = np.nan
    return Residuals(np.array([16000, 16100, 16200]), sales.astype(np.float32), median.astype(np.float32))


@pytest.fixture(scope="module")
def figures(residuals: Residuals, whole: Panel) -> Mapping[str, Any]:
    return interval_figures(residuals, whole)


def test_each_window_is_judged_by_the_others(residuals: Residuals, figures: Mapping[str, Any]) -> None:
    inside, by_week, by_window = [], {0: list[bool](), 1: list[bool]()}, {}
    totals = []
    probabilities = np.array([0.1, 0.9])
    for window in range(WINDOWS):
        others = Calibration.fit(residuals.window(np.array([other for other in range(WINDOWS) if other != window])))
        for store in range(residuals.stores):
            total = mean = 0.0
            for day in range(DAYS):
                sales, median = residuals.sales[window, store, day], residuals.median[window, store, day]
                if np.isnan(sales):
                    continue
                low, high = median * others.multipliers(np.array([store]), np.array([day]), probabilities)[0]
                inside.append(bool(low <= sales <= high))
                by_week[day // 7].append(inside[-1])
                by_window.setdefault(window, []).append(inside[-1])
                total += sales
                mean += median * others.factors["mean"]
            low, high = mean * others.total_multipliers(store, DAYS, DAYS - 1, probabilities)
            totals.append(low <= total <= high)
    judged = figures["judged"]
    assert judged["all"]["rows"] == len(inside)
    assert judged["all"]["coverage_80"] == pytest.approx(np.mean(inside))
    assert judged["totals"]["coverage_80"] == pytest.approx(np.mean(totals))
    for week, label in ((0, "week 01"), (1, "week 02")):
        assert judged["by_week"][label]["coverage_80"] == pytest.approx(np.mean(by_week[week]))
    assert [part["coverage_80"] for part in judged["by_window"].values()] == pytest.approx(
        [np.mean(values) for values in by_window.values()]
    )
    assert sum(part["rows"] for part in judged["by_store_type"].values()) == len(inside)
    assert abs(judged["bias"]["mean"]) < 0.02


def test_the_windows_are_named_by_their_cutoffs(figures: Mapping[str, Any]) -> None:
    assert figures["windows"] == ["2013-10-22", "2014-01-30", "2014-05-10"]


def test_one_window_cannot_be_judged(residuals: Residuals, whole: Panel) -> None:
    alone = interval_figures(residuals.window(np.array([0])), whole)
    assert alone["judged"] is None
    assert alone["factors"]["median"] == 1
    assert "expect deviations" in "\n".join(interval_sections(alone))


def test_the_sections_have_every_table(figures: Mapping[str, Any]) -> None:
    text = "\n\n".join(interval_sections(figures))
    for label in ("all days", "totals of a store and window", "week 02", "2014-05-10"):
        assert f"| {label} |" in text
    assert f"{100 * figures['judged']['all']['coverage_80']:.2f} %" in text
    assert "nan" not in text


SCORE = {"coverage_80": 0.81, "coverage_90": 0.9, "width_80": 0.3, "width_90": 0.4, "pinball": 0.05, "rows": 10}
EVALUATED = {"rmspe": 0.1, "wape": 0.08, "bias": -0.01, "rows": 10, "to": "2015-07-31"}


def test_gauges_are_readable_for_prometheus() -> None:
    text = gauges(
        {**EVALUATED, "weekday_promotion_mean": {"rmspe": 0.2}, "served_intervals": SCORE, "served_totals": SCORE},
        model="sales",
        version="20150731-0123abcd",
    )
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert {*families} == {*GAUGES}
    coverage = families["shopcat_sales_interval_coverage"]
    assert coverage.type == "gauge"
    assert {sample.labels["level"]: sample.value for sample in coverage.samples} == {"80": 0.81, "90": 0.9}
    assert {sample.labels["model"] for sample in coverage.samples} == {"sales"}
    assert families["shopcat_sales_evaluated_until_timestamp_seconds"].samples[0].value == 1438300800


def test_gauges_of_a_model_without_intervals_lack_theirs() -> None:
    text = gauges(EVALUATED, model="sales", version="1")
    assert "interval" not in text
    assert "shopcat_sales_rmspe" in text


def test_the_reference_documents_every_gauge() -> None:
    reference = (Path(__file__).parents[4] / "docs" / "reference" / "metrics.md").read_text()
    for name, meaning in GAUGES.items():
        assert f"| `{name}` | " in reference
        assert f" | {meaning} |" in reference
