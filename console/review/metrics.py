"""Metrics of the review, computed from the database when Prometheus asks."""

import time
from collections.abc import Iterable
from typing import NamedTuple, get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.review import appeals, queue
from console.review.agreement import agreement
from console.review.service import Review
from schemas.review.appeals import AppealState


class _Families(NamedTuple):
    """Families of metrics."""

    queue: GaugeMetricFamily
    oldest: GaugeMetricFamily
    appeals: GaugeMetricFamily
    appeals_overdue: GaugeMetricFamily
    agreement: GaugeMetricFamily
    twice: GaugeMetricFamily
    photos: GaugeMetricFamily
    photos_overdue: GaugeMetricFamily


def families() -> _Families:
    """Return the families without any values."""
    return _Families(
        GaugeMetricFamily(
            "shopcat_review_queue", "Photos that wait for a reviewer, by reason.", labels=("model", "reason")
        ),
        GaugeMetricFamily("shopcat_review_oldest_seconds", "Age of the oldest photo that waits; 0 without any."),
        GaugeMetricFamily("shopcat_appeals", "Appeals by state.", labels=("state",)),
        GaugeMetricFamily("shopcat_appeals_overdue", "Appeals that should be decided, and are not."),
        GaugeMetricFamily(
            "shopcat_reviewer_agreement", "Agreement of two reviewers: share, or Cohen's kappa.", labels=("measure",)
        ),
        GaugeMetricFamily("shopcat_reviewed_twice", "Photos with the answers of two reviewers."),
        GaugeMetricFamily("shopcat_kept_photos", "Photos that are kept for a review or an appeal."),
        GaugeMetricFamily("shopcat_kept_photos_overdue", "Kept photos that should be deleted, and are not."),
    )


class ReviewCollector(Collector):
    """Collector of the review's metrics."""

    def __init__(self, review: Review) -> None:
        self._review = review

    def describe(self) -> Iterable[Metric]:
        """Return the families, so that registration does not read the database."""
        return families()

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        now, current = time.time(), families()
        with self._review.database.reading() as connection:
            waiting = connection.execute(
                "SELECT model, reason, COUNT(*) AS n, MIN(answered_at) AS oldest FROM review_cases "
                "WHERE state IN ('first', 'second', 'third') GROUP BY model, reason"
            ).fetchall()
            states, late = appeals.states(connection), appeals.n_overdue(connection, now)
            agreed = agreement(queue.pairs(connection))
            kept, overdue = self._review.store.count(connection, now)
        for row in waiting:
            current.queue.add_metric((row["model"], row["reason"]), row["n"])
        current.oldest.add_metric((), max((max(now - row["oldest"], 0.0) for row in waiting), default=0.0))
        for state in get_args(AppealState):
            current.appeals.add_metric((state,), states.get(state, 0))
        current.appeals_overdue.add_metric((), late)
        for measure, value in (("share", agreed.share), ("kappa", agreed.kappa)):
            if value is not None:
                current.agreement.add_metric((measure,), value)
        current.twice.add_metric((), agreed.pairs)
        current.photos.add_metric((), kept)
        current.photos_overdue.add_metric((), overdue)
        return current
