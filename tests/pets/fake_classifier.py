"""A classifier with the shipped manifest and a fake network, for tests of decisions."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pets.classifier import Classifier
from pets.network import Output
from runtime.bundle import MANIFEST
from schemas.pets.manifest import PetsManifest

BUNDLE = Path(__file__).parents[2] / "model_store" / "pets"
SURE, UNSURE = 12.0, 0.5  # largest logit, with all others 0: a probability of about 1, and of about 0.04
PREDICTED = 5  # index of the class with that logit


def shipped_manifest() -> PetsManifest:
    return PetsManifest.model_validate_json((BUNDLE / MANIFEST).read_bytes())


def fake_classifier(*largest: float, review_share: float | None = None, **manifest: Any) -> Classifier:
    """Return a classifier whose network gives the same class to every photo.

    Args:
        largest: logit of the class for each photo of a batch, or one for all; all other logits are 0.
        review_share: as for `Classifier`.
        manifest: changed fields of the manifest.
    """
    shipped = shipped_manifest()

    def run(images: Any, _target: Any, rival: Any) -> Output:
        logits = np.zeros((len(images), len(shipped.classes)), np.float32)
        logits[:, PREDICTED] = largest
        blank = np.zeros((len(images), 3, 3), np.float32)
        return Output(logits, blank, blank, logits.argmax(1), rival)

    options = {"threshold": 0.9, "temperature": 1.0, "known_threshold": None, "review_share": 0.0, **manifest}
    return Classifier(shipped.model_copy(update=options), run, review_share=review_share)


def grey_photo(width: int = 200, height: int = 200) -> bytes:
    """Return a PNG; its bytes depend on its size alone."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), "gray").save(file, "PNG")
    return file.getvalue()
