"""TorchServe's entry point for breeds.

TorchServe uses the only class that this module defines, so the module must not define a second one.
"""

import io
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from PIL import Image

from handlers.batch import HttpRequest, answer_batch
from handlers.context import BatchContext, WorkerContext
from handlers.telemetry.pets import BreedObserver
from handlers.worker import load_model, warm_up
from handlers.worker_settings import MAX_PIXELS, REVIEW_SHARE
from pets.classifier import Classifier, Query
from pets.image_files import MAX_PIXELS as DEFAULT_MAX_PIXELS
from schemas.pets.parse import parse_request


class PetsHandler:
    """Handler of a worker that classifies photos."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the archive's bundle. TorchServe calls it once, before the worker is ready."""
        share, max_pixels = os.environ.get(REVIEW_SHARE), os.environ.get(MAX_PIXELS)
        load = partial(
            Classifier.load,
            review_share=float(share) if share else None,
            max_pixels=int(max_pixels) if max_pixels else DEFAULT_MAX_PIXELS,
        )
        self.classifier, self.telemetry, self.safeguards = load_model(context, load, BreedObserver())
        request = {"body": _blank_photo(), "heatmap": b"gradcam"}
        warm_up(context, self.classifier, self.telemetry, self.safeguards, self.handle, request)

    def handle(self, data: Sequence[Mapping[str, Any]], context: BatchContext) -> list[bytes]:
        """Answer a batch of requests."""
        return answer_batch(
            data,
            context,
            parse=self._parse,
            run=self.classifier.predict,
            telemetry=self.telemetry,
            safeguards=self.safeguards,
        )

    def _parse(self, request: HttpRequest) -> Query:
        """Parse a request and decode its photo, so that a damaged photo fails only its own request."""
        return self.classifier.prepare(parse_request(request.fields, request.headers, explain=request.explain))


def _blank_photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "gray").save(file, "PNG")
    return file.getvalue()
