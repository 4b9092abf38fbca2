"""A worker of photos as on a GPU: threads answer requests, and the network merges their photos. The CPU computes."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.pets import PetsHandler
from pets import network
from pets.classifier import Classifier
from schemas.problem_kinds import type_uri
from tests.pets.fake_classifier import BUNDLE, shipped_manifest

PHOTO = (Path(__file__).parents[2] / "docs" / "heatmaps.jpg").read_bytes()


def answers(handler: PetsHandler, bodies: list[bytes]) -> list[Any]:
    requests = [
        Request({"body": body, "heatmap": b"gradcam", "overlay": b"png"}, [(b"content-type", b"image/jpeg")])
        for body in bodies
    ]
    responses = answer_batch(requests, parse=handler.parse, run=handler.predict, pool=handler.pool).responses
    return [json.loads(response.body) for response in responses]


def test_photos_of_a_batch_are_decoded_beside_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "PHOTO_SIZES", (1, 4))
    half = network.gpu_network(BUNDLE, shipped_manifest().image, "cpu", cuda_graphs=False)
    classifier = Classifier(shipped_manifest(), half, precision="half")
    monkeypatch.setattr(Classifier, "load", lambda *_, **__: classifier)
    on_threads, alone = PetsHandler(BUNDLE, device="cuda:0", threads=6), PetsHandler(BUNDLE, device="cpu")
    assert on_threads.pool
    assert not alone.pool
    bodies = [PHOTO, PHOTO[:1000], b"no photo", *[PHOTO] * 7]
    (expected,) = answers(alone, [PHOTO])
    found = answers(on_threads, bodies)
    assert [answer["type"] for answer in found[1:3]] == [type_uri("damaged-image"), type_uri("not-an-image")]
    for answer in (found[0], *found[3:]):
        assert (answer["breed"], answer["warnings"]) == (expected["breed"], expected["warnings"])
        assert answer["probability"] == pytest.approx(expected["probability"], abs=1e-2)
        assert answer["heatmap"]["overlay"].startswith("iVBOR")
