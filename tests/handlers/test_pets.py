"""handlers.pets: from requests to the classifier and back, with a fake classifier."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.pets import Classifier, PetsHandler
from handlers.worker_settings import worker_environment
from pets.image_files import MAX_PIXELS
from pets.images import Photo
from pets.review.kept_photos import read
from runtime.clock import Clock
from runtime.cores import n_cores
from runtime.receipts import make_key, verify
from schemas.feedback.claims import PetsClaims
from schemas.pets.answer import BoxAnswer, Prediction
from schemas.pets.request import PetRequest
from schemas.problem_kinds import type_uri
from schemas.problems import Problem, ProblemError
from serving.archives.archive import SETTINGS

PHOTO = b"\xff\xd8\xff a photo"
JPEG = "image/jpeg"


@dataclass
class FakeClassifier:
    """Answers with the photo's content as the breed. "broken" is a damaged photo, and "trip" makes it fail."""

    folder: Path
    device: str
    threads: int
    review_share: float | None
    max_pixels: int
    batches: list[list[PetRequest]] = field(default_factory=list)
    name: str = "pets"
    version: str = "1"
    clock: Clock = field(default_factory=Clock)

    def prepare(self, request: PetRequest) -> "FakeQuery":
        if b"broken" in request.image:
            raise ProblemError(Problem.of("damaged-image", "broken"))
        return FakeQuery(request)

    def predict(self, queries: Sequence["FakeQuery"]) -> list[Prediction | Problem]:
        requests = [query.request for query in queries]
        self.batches.append(requests)
        if any(b"trip" in request.image for request in requests):
            raise RuntimeError("tripped")
        return [
            Prediction(
                breed=request.image.decode("latin-1"),
                species=None,
                probability=0.5,
                top=[],
                known=True,
                decision="accept" if b"sure" in request.image else "review",
                review_reason=None if b"sure" in request.image else "low_probability",
                look="whole",
                box=BoxAnswer(0, 0, 1, 1),
                heatmap=None,
                warnings=[],
                model="pets",
                version="1",
            )
            if request.class_ != "Unicorn"
            else Problem.of("unknown-class", "no such class")
            for request in requests
        ]


@dataclass
class FakeQuery:
    """A prepared request, whose photo is a grey one."""

    request: PetRequest
    photo: Photo = field(default_factory=lambda: Photo(Image.new("RGB", (40, 30), "gray"), 40, 30, "PNG"))


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PetsHandler:
    """A handler with the fake classifier."""
    monkeypatch.setattr(Classifier, "load", FakeClassifier)
    return PetsHandler(tmp_path, device="cuda:1")


def classifier_of(handler: PetsHandler) -> FakeClassifier:
    assert isinstance(handler.model, FakeClassifier)
    return handler.model


def request(fields: dict[str, bytes], content_type: str = "", *, explain: bool = False) -> Request:
    headers = [(b"Content-Type", content_type.encode())] if content_type else []
    return Request(fields, headers, explain=explain)


def answer(handler: PetsHandler, requests: Sequence[Request]) -> list[tuple[int, Any]]:
    """Return status and content of each response."""
    responses = answer_batch(requests, parse=handler.parse, run=handler.predict).responses
    return [(response.status, json.loads(response.body)) for response in responses]


def test_the_handler_loads_a_bundle_on_a_device(handler: PetsHandler, tmp_path: Path) -> None:
    assert (classifier_of(handler).folder, classifier_of(handler).device) == (tmp_path, "cuda:1")


@pytest.mark.parametrize(
    ("device", "threads", "expected"),
    [("cpu", 1, None), ("cpu", 4, None), ("cuda:0", 1, 2 * n_cores()), ("cuda:0", 5, 5)],
)
def test_on_a_gpu_threads_answer_requests_beside_each_other(
    handler: PetsHandler, tmp_path: Path, device: str, threads: int, expected: int | None
) -> None:
    pool = PetsHandler(tmp_path, device=device, threads=threads).pool
    assert (pool and pool._max_workers) == expected


def test_settings_come_from_the_environment(
    handler: PetsHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (classifier_of(handler).review_share, classifier_of(handler).max_pixels) == (None, MAX_PIXELS)
    for name, value in worker_environment(review_share=0.0, max_pixels=2_000_000).items():
        monkeypatch.setenv(name, value)
    classifier = classifier_of(PetsHandler(tmp_path, device="cpu"))
    assert (classifier.review_share, classifier.max_pixels) == (0.0, 2_000_000)


def test_the_first_request_has_a_photo_and_a_heatmap(handler: PetsHandler) -> None:
    ((status, _),) = answer(handler, [handler.first_request()])
    ((query,),) = classifier_of(handler).batches
    assert (status, query.heatmap, query.image[1:4]) == (200, "gradcam", b"PNG")


def test_a_photo_can_be_a_body_a_form_or_base64(handler: PetsHandler) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="image"\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n--b--' % PHOTO
    text = "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
    answers = answer(
        handler,
        [
            request({"body": PHOTO, "heatmap": b"gradcam"}, JPEG),
            request({"body": form, "heatmap": b"gradcam"}, "multipart/form-data; boundary=b"),
            request({"body": json.dumps({"image": text, "heatmap": "gradcam"}).encode()}, "application/json"),
        ],
    )
    assert [status for status, _ in answers] == [200, 200, 200]
    expected = PetRequest(image=PHOTO, content_type="image/jpeg", heatmap="gradcam")
    assert classifier_of(handler).batches == [[expected, expected, expected]]
    assert [content["breed"] for _, content in answers] == [PHOTO.decode("latin-1")] * 3


def test_invalid_requests_in_a_batch_affect_no_other(handler: PetsHandler) -> None:
    answers = answer(
        handler,
        [
            request({"body": b"1"}, JPEG),
            request({"body": b"2", "top_k": b"many"}, JPEG),
            request({"body": b"3 broken"}, JPEG),
            request({}),
            request({"body": b"5"}, "text/html"),
            request({"body": b"6", "heatmap": b"gradcam", "class": b"Unicorn"}, JPEG),
            request({"body": b"7"}),
        ],
    )
    assert [status for status, _ in answers] == [200, 422, 422, 400, 415, 404, 200]
    kinds = [content["type"].rpartition(":")[2] for status, content in answers if status != 200]
    assert kinds == [
        *("invalid-request", "damaged-image", "malformed-request", "unsupported-media-type", "unknown-class")
    ]
    assert [answers[0][1]["breed"], answers[6][1]["breed"]] == ["1", "7"]
    assert [[query.image for query in batch] for batch in classifier_of(handler).batches] == [[b"1", b"6", b"7"]]


def test_a_batch_may_mix_explanations_and_predictions(handler: PetsHandler) -> None:
    answers = answer(
        handler,
        [
            request({"body": b"1"}, JPEG),
            request({"body": b"2"}, JPEG, explain=True),
            request({"body": b"3", "heatmap": b"none"}, JPEG, explain=True),
            request({"body": b"4"}, JPEG, explain=True),
        ],
    )
    assert [status for status, _ in answers] == [200, 200, 422, 200]
    (batch,) = classifier_of(handler).batches
    assert [(query.image, query.heatmap) for query in batch] == [(b"1", "none"), (b"2", "gradcam"), (b"4", "gradcam")]


def test_a_photo_that_fails_in_the_network_fails_one_request(handler: PetsHandler) -> None:
    answers = answer(handler, [request({"body": content}, JPEG) for content in (b"1", b"trip", b"2")])
    assert [status for status, _ in answers] == [200, 500, 200]
    assert answers[1][1]["type"] == type_uri("internal-error")


def test_every_answer_has_a_receipt_if_the_service_has_a_key(
    handler: PetsHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((_, without),) = answer(handler, [request({"body": b"1"}, JPEG)])
    assert "receipt" not in without
    file = tmp_path / "receipt.key"
    key = make_key(file)
    for name, value in worker_environment(review_share=0.02, receipt_key=file).items():
        monkeypatch.setenv(name, value)
    bodies = [{"body": b"1"}, {"body": b"2", "heatmap": b"gradcam", "class": b"Unicorn"}, {"body": b"3"}]
    signing = PetsHandler(tmp_path, device="cpu")
    (_, first), (status, problem), (_, second) = answer(signing, [request(body, JPEG) for body in bodies])
    claims = PetsClaims.model_validate(verify(second["receipt"], key))
    assert (claims.breed, claims.probability, claims.decision) == ("3", 0.5, "review")
    assert (claims.review_reason, claims.review_share) == ("low_probability", 0.02)
    assert verify(first["receipt"], key)["id"] != claims.id
    assert len(second["receipt"]) < 240
    assert status == 404
    assert "receipt" not in problem


@pytest.fixture
def keeping(handler: PetsHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PetsHandler:
    """A handler whose operator lets photos be kept, in the folder ``kept``."""
    assert handler
    make_key(tmp_path / "receipt.key")
    settings = worker_environment(
        review_share=0.02, receipt_key=tmp_path / "receipt.key", keep_photos=tmp_path / "kept"
    )
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return PetsHandler(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("photo", "retain", "kept"),
    [
        (b"1", b"review", True),
        (b"sure", b"review", False),
        (b"1", b"appeal", True),
        (b"sure", b"appeal", True),
        (b"1", b"none", None),
        (b"1", b"", None),
    ],
)
def test_a_photo_is_kept_if_the_client_agrees(
    keeping: PetsHandler, tmp_path: Path, photo: bytes, retain: bytes, kept: bool | None
) -> None:
    ((status, content),) = answer(keeping, [request({"body": photo, "retain": retain}, JPEG)])
    assert (status, content.get("retained")) == (200, kept)
    files = [*(tmp_path / "kept").iterdir()] if (tmp_path / "kept").exists() else []
    assert len(files) == (1 if kept else 0)
    if kept:
        found = read(files[0])
        claims = PetsClaims.model_validate(verify(found.receipt, (tmp_path / "receipt.key").read_bytes()))
        assert (found.receipt, found.id) == (content["receipt"], claims.id)
        assert (claims.retain, claims.breed) == (retain.decode(), photo.decode())


@pytest.mark.parametrize("missing", ["receipt_key", "keep_photos"])
def test_no_photo_is_kept_if_the_operator_did_not_ask_for_it(
    keeping: PetsHandler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    assert keeping
    (name,) = worker_environment(**{missing: tmp_path})  # type: ignore[arg-type]
    monkeypatch.delenv(name)
    silent = PetsHandler(tmp_path, device="cpu")
    ((_, content),) = answer(silent, [request({"body": b"1", "retain": b"review"}, JPEG)])
    assert content["retained"] is False
    assert not (tmp_path / "kept").exists()


def test_a_photo_that_cannot_be_kept_is_answered(keeping: PetsHandler, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    ((status, content),) = answer(keeping, [request({"body": b"1", "retain": b"review"}, JPEG)])
    assert (status, content["retained"]) == (200, False)


def test_receipts_about_the_same_photo_have_the_same_hash(keeping: PetsHandler, tmp_path: Path) -> None:
    answers = answer(keeping, [request({"body": content}, JPEG) for content in (b"1", b"1", b"2")])
    key = (tmp_path / "receipt.key").read_bytes()
    first, again, other = (verify(content["receipt"], key)["photo"] for _, content in answers)
    assert first == again != other
    assert len(first) == 16


def test_consent_is_one_of_three_words(handler: PetsHandler) -> None:
    ((status, content),) = answer(handler, [request({"body": b"1", "retain": b"forever"}, JPEG)])
    assert (status, content["errors"][0]["path"]) == (422, "/retain")


def test_the_settings_have_the_names_and_types_of_torchserve() -> None:
    """TorchServe silently ignores an unknown key and a value of another type."""
    settings = yaml.safe_load((SETTINGS / "pets.yaml").read_text())
    assert {*settings.pop("gpu")} <= {*settings}  # not TorchServe's: the archive for a GPU takes it in their place
    assert {*settings} == {"batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout", "maxRetryTimeoutInSec"}
    assert all(type(value) is int and value > 0 for value in settings.values())
