"""The servers that photos are compared with do the same work."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra bench")

from benchmarks.load_generator.photos import made_up_photo
from benchmarks.servers.plain_pets import PlainClassifier
from pets.bundle import INT8_NETWORK
from pets.classifier import Classifier
from pets.images import open_photo
from runtime.bundle import NETWORK

BUNDLE = Path(__file__).parents[2] / "model_store" / "pets"

pytestmark = pytest.mark.integration


def test_its_answer_is_the_classifiers() -> None:
    photo, classifier = made_up_photo(), Classifier.load(BUNDLE, exact=True)
    (logits,) = classifier.run_network([classifier.crop(open_photo(photo))[0]]).logits
    exps = np.exp(logits - logits.max())
    expected = sorted((exps / exps.sum()).tolist(), reverse=True)[:5]
    exact, rounded = (PlainClassifier(BUNDLE, BUNDLE / file) for file in (NETWORK, INT8_NETWORK))
    assert probabilities(exact.answer(photo)) == pytest.approx(expected, rel=1e-2)
    assert probabilities(rounded.answer(photo)) != pytest.approx(expected, rel=1e-6)


def probabilities(answer: bytes) -> list[float]:
    return [breed["probability"] for breed in json.loads(answer)["top"]]
