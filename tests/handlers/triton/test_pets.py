"""handlers.triton: breeds of tensors are those of the classifier."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pets.classifier import Classifier
from runtime.bundle import GOLDEN
from schemas.pets.answer import Prediction
from schemas.pets.request import PetRequest
from tests.handlers.triton.conftest import STORE
from tests.handlers.triton.fake_backend import Request

PETS = STORE / "pets"
CAT = (STORE.parent / "docs" / "cat.jpg").read_bytes()
GOLDEN_PHOTOS = [base64.b64decode(row["png"]) for row in json.loads((PETS / GOLDEN).read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def model(load: Callable[[str], Any]) -> Any:
    return load("pets")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(PETS)


def predicted(classifier: Classifier, photo: bytes) -> Prediction:
    (answer,) = classifier.predict(
        [classifier.prepare(PetRequest(image=photo, heatmap="gradcam", overlay="none", top_k=len(classifier.classes)))]
    )
    assert isinstance(answer, Prediction)
    return answer


def test_photos_have_the_answers_of_the_classifier(model: Any, classifier: Classifier) -> None:
    photos = [CAT, *GOLDEN_PHOTOS]
    outputs = model.execute([Request({"image": photos})])[0].arrays()
    answers = [predicted(classifier, photo) for photo in photos]
    for name in ("breed", "species", "decision", "review_reason"):
        assert outputs[name][:, 0].tolist() == [(getattr(answer, name) or "").encode() for answer in answers], name
    assert outputs["known"][:, 0].tolist() == [answer.known for answer in answers]
    assert outputs["probability"][:, 0].tolist() == [np.float32(answer.probability) for answer in answers]
    assert outputs["box"].tolist() == [[*map(np.float32, vars(answer.box).values())] for answer in answers]
    assert np.array_equal(outputs["heatmap"], np.array([answer.heatmap.grid for answer in answers], np.float32))
    warnings = [[vars(warning) for warning in answer.warnings] for answer in answers]
    assert [json.loads(text) for text in outputs["warnings"][:, 0]] == warnings
    assert outputs["problem"][:, 0].tolist() == [b""] * len(photos)
    for row, answer in zip(outputs["probabilities"], answers, strict=True):
        best = [classifier.classes[index] for index in np.argsort(-row, kind="stable")[:5]]
        assert best == [breed.breed for breed in answer.top[:5]]
        assert row.sum() == pytest.approx(1, abs=1e-5)


def test_a_photo_may_be_base64(model: Any) -> None:
    outputs = model.execute([Request({"image": [CAT, base64.b64encode(CAT)]})])[0].arrays()
    assert outputs["breed"][:, 0].tolist() == [b"Bengal"] * 2
    assert outputs["probability"][0] == outputs["probability"][1]


def truncated() -> bytes:
    file = io.BytesIO()
    Image.effect_noise((300, 300), 90).convert("RGB").save(file, "JPEG")
    return file.getvalue()[:2000]


def test_bad_photos_have_problems_and_good_ones_breeds(model: Any) -> None:
    photos = [b"hello", CAT, b"", truncated(), CAT, b"AAAA", b"\x89PNG\r\n\x1a\n" + bytes(40)]
    outputs = model.execute([Request({"image": photos})])[0].arrays()
    good = [photo is CAT for photo in photos]
    assert [text == b"Bengal" for text in outputs["breed"][:, 0]] == good
    assert [text == b"" for text in outputs["problem"][:, 0]] == good
    assert [bool(text) for text in outputs["decision"][:, 0]] == good
    assert [bool(row.any()) for row in outputs["heatmap"]] == good
    assert [bool(value) for value in outputs["probability"][:, 0]] == good
    kinds = [json.loads(text)["type"].rpartition(":")[2] for text in outputs["problem"][:, 0] if text]
    assert kinds == ["not-an-image", "malformed-request", "damaged-image", "not-an-image", "damaged-image"]


def test_requests_are_answered_in_order(model: Any) -> None:
    responses = model.execute(
        [Request({"image": [b"hello"]}), Request({"image": [CAT, b""]}), Request({"image": [CAT]})]
    )
    breeds = [response.arrays()["breed"][:, 0].tolist() for response in responses]
    assert breeds == [[b""], [b"Bengal", b""], [b"Bengal"]]
