"""handlers.pets: what lies between TorchServe and the classifier, with a made-up classifier in its place."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ts.context import Context as TorchServeContext
from ts.context import RequestProcessor
from ts.utils.util import list_classes_from_module

import handlers.pets
from handlers.pets import PetsHandler
from runtime.clock import Clock
from schemas.pets.answer import Prediction
from schemas.pets.request import PetRequest
from schemas.problems import Problem, ProblemError
from serving.torchserve.archive import SETTINGS

PHOTO = b"\xff\xd8\xff a photo"
JPEG = {"Content-Type": "image/jpeg"}


@dataclass
class FakeClassifier:
    """Answers with what it was asked. It can't read a photo that says "broken", and trips over one that says "trip"."""

    folder: Path
    device: str
    batches: list[list[PetRequest]] = field(default_factory=list)
    name: str = "pets"
    version: str = "1"
    clock: Clock = field(default_factory=Clock)

    def prepare(self, request: PetRequest) -> PetRequest:
        if b"broken" in request.image:
            raise ProblemError(Problem.of("damaged-image", "broken"))
        return request

    def predict(self, queries: Sequence[PetRequest]) -> list[Prediction | Problem]:
        self.batches.append(list(queries))
        if any(b"trip" in query.image for query in queries):
            raise RuntimeError("tripped")
        return [
            Prediction(query.image.decode("latin-1"), None, 0.5, [], "review", None, [], "pets", "1")
            if query.class_ != "Unicorn"
            else Problem.of("unknown-class", "no such class")
            for query in queries
        ]


class OurContext(TorchServeContext):
    """TorchServe's, with what ours has beside it."""

    def get_request_headers(self, key: str) -> list[bytes | None]:
        return [None] * len(self.request_processor)

    def after(self, work: Callable[[], None]) -> None:
        work()


def context(headers: Sequence[dict[str, Any]] = (), model_dir: str = "/", gpu: int | None = None) -> OurContext:
    made = OurContext("pets", model_dir, None, len(headers), gpu, "0.12.0")
    made.request_processor = [RequestProcessor(each) for each in headers]
    return made


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PetsHandler:
    """A handler that was initialized as TorchServe does it, with the made-up classifier."""
    monkeypatch.setattr(handlers.pets.Classifier, "load", lambda folder, *, device: FakeClassifier(folder, device))
    monkeypatch.setattr(
        "logging.Logger.setLevel", lambda *_: None
    )  # the root logger's, which pytest has its own plans for
    monkeypatch.setattr("gc.freeze", lambda: None)
    monkeypatch.setattr("gc.set_threshold", lambda _: None)
    monkeypatch.setattr("handlers.protocol.take_over", lambda: None)  # this process is no worker
    made = PetsHandler()
    made.initialize(context(model_dir=str(tmp_path)))
    seen(made).batches.clear()  # the first request is the worker's own
    return made


def seen(handler: PetsHandler) -> FakeClassifier:
    assert isinstance(handler.classifier, FakeClassifier)
    return handler.classifier


def answer(handler: PetsHandler, requests: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[tuple[int, Any]]:
    """Status and content of each answer."""
    given = context([headers for _, headers in requests])
    bodies = handler.handle([fields for fields, _ in requests], given)
    return [(given.get_response_status(place)[0], json.loads(body)) for place, body in enumerate(bodies)]


def test_torchserve_finds_one_class() -> None:
    assert list_classes_from_module(handlers.pets) == [PetsHandler]


def test_the_bundle_is_the_archives(handler: PetsHandler, tmp_path: Path) -> None:
    assert (seen(handler).folder, seen(handler).device) == (tmp_path / "bundle", "cpu")
    handler.initialize(context(model_dir=str(tmp_path), gpu=1))
    assert seen(handler).device == "cuda:1"


def test_the_ways_to_send_a_photo_are_one_to_the_classifier(handler: PetsHandler) -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="image"\r\nContent-Type: image/jpeg\r\n\r\n%s\r\n--b--' % PHOTO
    text = "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
    answers = answer(
        handler,
        [
            ({"body": PHOTO, "heatmap": b"gradcam"}, JPEG),
            ({"body": form, "heatmap": b"gradcam"}, {"content-type": "multipart/form-data; boundary=b"}),
            ({"body": json.dumps({"image": text, "heatmap": "gradcam"})}, {"Content-Type": "application/json"}),
        ],
    )
    assert [status for status, _ in answers] == [200, 200, 200]
    expected = PetRequest(image=PHOTO, content_type="image/jpeg", heatmap="gradcam")
    assert seen(handler).batches == [[expected, expected, expected]]
    assert [content["breed"] for _, content in answers] == [PHOTO.decode("latin-1")] * 3


def test_bad_requests_in_a_batch_harm_nobody(handler: PetsHandler) -> None:
    answers = answer(
        handler,
        [
            ({"body": b"1"}, JPEG),
            ({"body": b"2", "top_k": b"many"}, JPEG),
            ({"body": b"3 broken"}, JPEG),
            ({}, {}),
            ({"body": b"5"}, {"Content-Type": "text/html"}),
            ({"body": b"6", "heatmap": b"gradcam", "class": b"Unicorn"}, JPEG),
            ({"body": b"7"}, {}),
        ],
    )
    assert [status for status, _ in answers] == [200, 422, 422, 400, 415, 404, 200]
    kinds = [content["type"].rpartition(":")[2] for status, content in answers if status != 200]
    assert kinds == [
        *("invalid-request", "damaged-image", "malformed-request", "unsupported-media-type", "unknown-class")
    ]
    assert [answers[0][1]["breed"], answers[6][1]["breed"]] == ["1", "7"]
    assert [[query.image for query in batch] for batch in seen(handler).batches] == [[b"1", b"6", b"7"]]


def test_explanations_and_predictions_mix(handler: PetsHandler) -> None:
    """TorchServe says which is which in a header of each."""
    why = {**JPEG, "explain": "True"}
    answers = answer(
        handler,
        [
            ({"body": b"1"}, JPEG),
            ({"body": b"2"}, why),
            ({"body": b"3", "heatmap": b"none"}, why),
            ({"body": b"4"}, why),
        ],
    )
    assert [status for status, _ in answers] == [200, 200, 422, 200]
    (batch,) = seen(handler).batches
    assert [(query.image, query.heatmap) for query in batch] == [(b"1", "none"), (b"2", "gradcam"), (b"4", "gradcam")]


def test_a_photo_that_the_network_trips_over_costs_its_sender_alone(handler: PetsHandler) -> None:
    answers = answer(handler, [({"body": content}, JPEG) for content in (b"1", b"trip", b"2")])
    assert [status for status, _ in answers] == [200, 500, 200]
    assert answers[1][1]["title"] == "The model failed; the request was not at fault"


def test_the_settings_are_torchserves() -> None:
    """A key that TorchServe does not know, or a value of another type, it passes over in silence."""
    settings = yaml.safe_load((SETTINGS / "pets.yaml").read_text())
    assert {*settings} == {"batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout", "maxRetryTimeoutInSec"}
    assert all(type(value) is int and value > 0 for value in settings.values())
