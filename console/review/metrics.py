"""Metrics of the review, computed from the database when Prometheus asks."""

import time
from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.review import appeals, queue
from console.review.agreement import agreement
from console.review.service import Review
from schemas.review.appeals import AppealState


class ReviewCollector(Collector):
    """Collector of the review's metrics."""

    def __init__(self, review: Review) -> None:
        self._review = review

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        now = time.time()
        with self._review.database.reading() as connection:
            waiting = connection.execute(
                "SELECT model, reason, COUNT(*) AS n, MIN(answered_at) AS oldest FROM review_cases "
                "WHERE state IN ('first', 'second', 'third') GROUP BY model, reason"
            ).fetchall()
            states, late = appeals.states(connection), appeals.n_overdue(connection, now)
            agreed = agreement(queue.pairs(connection))
            kept, overdue = self._review.store.count(connection, now)
        queued = GaugeMetricFamily(
            "shopcat_review_queue", "Photos that wait for a reviewer, by reason.", labels=("model", "reason")
        )
        for row in waiting:
            queued.add_metric((row["model"], row["reason"]), row["n"])
        yield queued
        oldest = max((max(now - row["oldest"], 0.0) for row in waiting), default=0.0)
        yield GaugeMetricFamily(
            "shopcat_review_oldest_seconds", "Age of the oldest photo that waits; 0 without any.", oldest
        )
        by_state = GaugeMetricFamily("shopcat_appeals", "Appeals by state.", labels=("state",))
        for state in get_args(AppealState):
            by_state.add_metric((state,), states.get(state, 0))
        yield by_state
        yield GaugeMetricFamily("shopcat_appeals_overdue", "Appeals that should be decided, and are not.", late)
        agreeing = GaugeMetricFamily(
            "shopcat_reviewer_agreement", "Agreement of two reviewers: share, or Cohen's kappa.", labels=("measure",)
        )
        for measure, value in (("share", agreed.share), ("kappa", agreed.kappa)):
            if value is not None:
                agreeing.add_metric((measure,), value)
        yield agreeing
        yield GaugeMetricFamily("shopcat_reviewed_twice", "Photos with the answers of two reviewers.", agreed.pairs)
        yield GaugeMetricFamily("shopcat_kept_photos", "Photos that are kept for a review or an appeal.", kept)
        yield GaugeMetricFamily(
            "shopcat_kept_photos_overdue", "Kept photos that should be deleted, and are not.", overdue
        )
