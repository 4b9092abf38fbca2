"""Metrics and log fields of breeds."""

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any, NamedTuple

from prometheus_client import Counter

from handlers.telemetry.metrics import BatchHistogram, add
from schemas.pets.answer import Prediction

CONFIDENCE = BatchHistogram(
    "shopcat_breed_confidence",
    "Calibrated probability of the answered breed.",
    ("model",),
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
)
DECISIONS = Counter("shopcat_decisions", "Photos by decision: accept, or review by a person.", ("model", "decision"))
REVIEWS = Counter(
    "shopcat_reviews",
    "Photos for review by reason: unlike_training, low_probability, or random_check.",
    ("model", "reason"),
)
HEATMAPS = Counter("shopcat_heatmaps", "Heatmaps by method.", ("model", "kind"))


class BreedSummary(NamedTuple):
    """Counted values of one prediction.

    Attributes:
        probability: calibrated probability of the breed.
        decision: ``accept`` or ``review``.
        review_reason: reason for the review; None for ``accept``.
        heatmap: method of the heatmap; None without one.
    """

    probability: float
    decision: str
    review_reason: str | None
    heatmap: str | None


class BreedObserver:
    """Observer of breeds and heatmaps."""

    def summarize(self, answers: Sequence[Prediction]) -> list[BreedSummary]:
        """Return the counted values of each prediction."""
        return [
            BreedSummary(
                answer.probability,
                answer.decision,
                answer.review_reason,
                answer.heatmap.method if answer.heatmap else None,
            )
            for answer in answers
        ]

    def count(self, model: str, summaries: Sequence[list[BreedSummary]]) -> None:
        """Count probabilities, decisions, reasons for review, and heatmaps."""
        predictions = [prediction for summary in summaries for prediction in summary]
        CONFIDENCE.labels(model).observe_many([prediction.probability for prediction in predictions])
        add(DECISIONS, model, Tally(prediction.decision for prediction in predictions))
        add(REVIEWS, model, Tally(prediction.review_reason for prediction in predictions if prediction.review_reason))
        add(HEATMAPS, model, Tally(prediction.heatmap for prediction in predictions if prediction.heatmap))

    def log_fields(self, answer: Prediction) -> dict[str, Any]:
        """Return the decision with its grounds, the look, the heatmap's method and the number of each warning."""
        return {
            "known": answer.known,
            "decision": answer.decision,
            "review_reason": answer.review_reason,
            "probability": round(answer.probability, 4),
            "look": answer.look,
            "heatmap": answer.heatmap.method if answer.heatmap else None,
            "warnings": dict(Tally(warning.code for warning in answer.warnings)),
        }
