"""Metrics of feedback, which alerts compare with the figures of the models' cards."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from console.feedback.service import KINDS, report
from console.settings import Settings
from console.storage import Database
from runtime.bundle import kind_of
from schemas.feedback.answer import EstimateAnswer, PetsReport, SalesReport
from schemas.feedback.claims import LEVELS

_MEASURES = ("wape", "bias", "pinball")
_FRESH_S = 60.0  # age of figures; why: 100,000 true values take about a second


class _Families(NamedTuple):
    """Families of metrics."""

    feedback: CounterMetricFamily
    share: GaugeMetricFamily
    error: GaugeMetricFamily
    coverage: GaugeMetricFamily
    accuracy: GaugeMetricFamily
    card: GaugeMetricFamily


def families() -> _Families:
    """Return the families without any values."""
    return _Families(
        CounterMetricFamily(
            "shopcat_feedback",
            "True values received, by source and outcome; deleted ones stay counted.",
            labels=("model", "source", "outcome"),
        ),
        GaugeMetricFamily(
            "shopcat_feedback_share", "Share of the answers of 28 days whose truth is known.", labels=("model",)
        ),
        GaugeMetricFamily(
            "shopcat_forecast_error",
            "WAPE, bias and pinball loss of forecasts by true values of 28 days, by week of the horizon or all; "
            "with the bounds of a 95 percent interval.",
            labels=("model", "source", "measure", "horizon", "bound"),
        ),
        GaugeMetricFamily(
            "shopcat_forecast_coverage",
            "Share of the true sales of 28 days within their interval, by level in percent, with the "
            "bounds of a 95 percent interval.",
            labels=("model", "source", "level", "horizon", "bound"),
        ),
        GaugeMetricFamily(
            "shopcat_accuracy",
            "Accuracy of answers to photos by reviewers' truths of 28 days: accepted, reviewed, or all; with the "
            "bounds of a 95 percent interval.",
            labels=("model", "estimate", "bound"),
        ),
        GaugeMetricFamily(
            "shopcat_card", "Figure of the model's card, by the name of the measure.", labels=("model", "measure")
        ),
    )


class FeedbackCollector(Collector):
    """Collector of the metrics of feedback."""

    def __init__(self, database: Database, settings: Callable[[], Settings]) -> None:
        """Set up.

        Args:
            database: the console's database.
            settings: function that returns the current settings.
        """
        self._database, self._settings = database, settings
        self._reports: tuple[float, list[SalesReport | PetsReport]] = (float("-inf"), [])

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return no families, so that registration does not collect."""
        return []

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return the current metrics; figures are at most a minute old."""
        current = families()
        with self._database.reading() as connection:
            for row in connection.execute("SELECT model, source, outcome, number FROM feedback_counts"):
                current.feedback.add_metric((row["model"], row["source"], row["outcome"]), row["number"])
        for found in self._current():
            if found.share is not None:
                current.share.add_metric((found.model,), found.share)
            for measure, value in found.card.items():
                current.card.add_metric((found.model, measure), value)
            if isinstance(found, SalesReport):
                _add_sales(current, found)
            else:
                _add_pets(current, found)
        return current

    def _current(self) -> list[SalesReport | PetsReport]:
        read, reports = self._reports
        if time.monotonic() - read > _FRESH_S:
            folders = self._settings().bundles
            names = [name for name, folder in folders.items() if kind_of(folder) in KINDS]
            reports = [report(self._database, folders, name) for name in names]
            self._reports = time.monotonic(), reports
        return reports


def _add_sales(families: _Families, found: SalesReport) -> None:
    for figures in found.figures:
        if figures.group not in ("all", "horizon"):  # slices are on the page; their number has no bound
            continue
        horizon = figures.value or "all"
        for measure in _MEASURES:
            for bound, value in _bounds(getattr(figures, measure)):
                families.error.add_metric((found.model, figures.source, measure, horizon, bound), value)
        for level in LEVELS:
            for bound, value in _bounds(getattr(figures, f"coverage_{level}")):
                families.coverage.add_metric((found.model, figures.source, str(level), horizon, bound), value)


def _add_pets(families: _Families, found: PetsReport) -> None:
    for figures in found.figures:
        if figures.group == "all":
            for bound, value in _bounds(figures.accuracy):
                families.accuracy.add_metric((found.model, figures.estimate, bound), value)


def _bounds(estimate: EstimateAnswer) -> Iterator[tuple[str, float]]:
    """Yield the known ones of point and bounds."""
    for bound, value in (("low", estimate.low), ("point", estimate.point), ("high", estimate.high)):
        if value is not None:
            yield bound, value
