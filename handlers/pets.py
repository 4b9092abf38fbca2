"""Breeds in a worker."""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from handlers.http import Request
from handlers.telemetry.pets import BreedObserver
from handlers.worker_settings import KEEP_PHOTOS, MAX_PIXELS, REVIEW_SHARE, receipt_key
from pets.claims import pets_claims
from pets.classifier import Classifier, Query
from pets.image_files import MAX_PIXELS as DEFAULT_MAX_PIXELS
from pets.review.kept_photos import keep
from runtime.cores import n_cores
from runtime.receipts import sign
from schemas.pets.answer import Prediction
from schemas.pets.parse import parse_request
from schemas.problems import Problem


class PetsHandler:
    """Handler of a worker that classifies photos.

    On a GPU, one worker has to decode photos on all cores to keep the GPU busy. Pillow, numpy and onnxruntime release
    the interpreter's lock, and `runtime.gpu.network` makes one batch of the photos that wait.

    Attributes:
        model: classifier of the bundle.
        observer: observer of its answers.
        pool: threads that answer requests beside each other; None on a CPU, where each core has a worker.
    """

    def __init__(self, bundle: Path, *, device: str, threads: int = 1) -> None:
        share, max_pixels = os.environ.get(REVIEW_SHARE), os.environ.get(MAX_PIXELS)
        self.model = Classifier.load(
            bundle,
            device=device,
            threads=threads,
            review_share=float(share) if share else None,
            max_pixels=int(max_pixels) if max_pixels else DEFAULT_MAX_PIXELS,
        )
        self.observer = BreedObserver()
        # Two for each core, because a thread waits while the network computes its photo.
        self.pool = ThreadPoolExecutor(threads if threads > 1 else 2 * n_cores()) if device != "cpu" else None
        self._key, folder = receipt_key(), os.environ.get(KEEP_PHOTOS)
        self._keep_photos = Path(folder) if folder else None

    def parse(self, request: Request) -> Query:
        """Parse a request and decode its photo, so that a damaged photo fails only its own request."""
        headers = {name: request.header(name.encode()) for name in ("content-type", "content-encoding")}
        return self.model.prepare(parse_request(request.fields, headers, explain=request.explain))

    def predict(self, queries: Sequence[Query]) -> list[Prediction | Problem]:
        """Answer requests together, with receipts if the service has a key for them.

        A photo is kept if operator and client agree, and if a person is to look at it.
        """
        answers = self.model.predict(queries)
        for query, answer in zip(queries, answers, strict=True):
            if isinstance(answer, Problem):
                continue
            if query.request.retain != "none":
                answer.retained = False
            if self._key is None:
                continue
            claims = pets_claims(query.request, answer, self.model.review_share)
            answer.receipt = sign(claims.to_sign(), self._key)
            wanted = claims.retain == "appeal" or (claims.retain == "review" and answer.decision == "review")
            if wanted and self._keep_photos is not None:
                answer.retained = keep(self._keep_photos, claims.id, answer.receipt, query.photo.image)
        return answers

    def first_request(self) -> Request:
        """Return a request for a grey photo, with a heatmap."""
        file = io.BytesIO()
        Image.new("RGB", (64, 64), "gray").save(file, "PNG")
        return Request({"body": file.getvalue(), "heatmap": b"gradcam"})


HANDLER = PetsHandler
