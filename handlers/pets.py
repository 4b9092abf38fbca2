"""TorchServe's entry point for the breeds of pets.

TorchServe takes the one class that is defined in this module, so there must be no second.
"""

import io
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from handlers.batch import Sent, answer_batch
from handlers.context import Context, WorkerContext
from handlers.telemetry import metrics
from handlers.worker import load_model, warm_up
from pets.classifier import Classifier, Query
from schemas.pets.answer import Prediction
from schemas.pets.parse import parse_request


class PetsHandler:
    """A worker's classifier."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the bundle of the archive. TorchServe calls it once, before the worker is ready."""
        self.classifier, self.telemetry = load_model(
            context,
            lambda folder, device: Classifier.load(folder, device=device),
            gist=_gist,
            count=_count,
            describe=_describe,
        )
        warm_up(context, self.classifier, self.telemetry, self.handle, {"body": _blank_photo(), "heatmap": b"gradcam"})

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch of requests. Photos are decoded one by one, so that a bad one costs its sender alone."""
        return answer_batch(data, context, parse=self._prepare, run=self.classifier.predict, telemetry=self.telemetry)

    def _prepare(self, sent: Sent) -> Query:
        return self.classifier.prepare(parse_request(sent.fields, sent.headers, explain=sent.explain))


def _blank_photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "gray").save(file, "PNG")
    return file.getvalue()


def _gist(predictions: Sequence[Prediction]) -> list[tuple[float, str, str | None]]:
    """Of each prediction how sure it is, what to do with it, and how its heatmap was made, if it has one."""
    return [(each.probability, each.decision, each.heatmap.method if each.heatmap else None) for each in predictions]


def _count(model: str, gists: Sequence[list[tuple[float, str, str | None]]]) -> None:
    """Count breeds: how sure, what to do with them, and the heatmaps."""
    predictions = [prediction for of_batch in gists for prediction in of_batch]
    metrics.CONFIDENCE.labels(model).observe_many([probability for probability, _, _ in predictions])
    metrics.add(metrics.DECISIONS, model, Tally(decision for _, decision, _ in predictions))
    metrics.add(metrics.HEATMAPS, model, Tally(method for _, _, method in predictions if method))


def _describe(prediction: Prediction) -> dict[str, Any]:
    """What the audit line has of a prediction."""
    return {
        "decision": prediction.decision,
        "probability": round(prediction.probability, 4),
        "heatmap": prediction.heatmap.method if prediction.heatmap else None,
        "warnings": dict(Tally(warning.code for warning in prediction.warnings)),
    }
