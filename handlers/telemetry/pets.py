"""Metrics and audit fields of breeds."""

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
HEATMAPS = Counter("shopcat_heatmaps", "Heatmaps by method.", ("model", "kind"))


class BreedSummary(NamedTuple):
    """Counted values of one prediction.

    Attributes:
        probability: calibrated probability of the breed.
        decision: ``accept`` or ``review``.
        heatmap: method of the heatmap; None without one.
    """

    probability: float
    decision: str
    heatmap: str | None


class BreedObserver:
    """Observer of breeds and heatmaps."""

    def summarize(self, answers: Sequence[Prediction]) -> list[BreedSummary]:
        """Return the counted values of each prediction."""
        return [
            BreedSummary(answer.probability, answer.decision, answer.heatmap.method if answer.heatmap else None)
            for answer in answers
        ]

    def count(self, model: str, summaries: Sequence[list[BreedSummary]]) -> None:
        """Count probabilities, decisions and heatmaps."""
        predictions = [prediction for summary in summaries for prediction in summary]
        CONFIDENCE.labels(model).observe_many([prediction.probability for prediction in predictions])
        add(DECISIONS, model, Tally(prediction.decision for prediction in predictions))
        add(HEATMAPS, model, Tally(prediction.heatmap for prediction in predictions if prediction.heatmap))

    def audit_fields(self, answer: Prediction) -> dict[str, Any]:
        """Return the decision, the probability, the heatmap's method and the number of each warning."""
        return {
            "decision": answer.decision,
            "probability": round(answer.probability, 4),
            "heatmap": answer.heatmap.method if answer.heatmap else None,
            "warnings": dict(Tally(warning.code for warning in answer.warnings)),
        }
