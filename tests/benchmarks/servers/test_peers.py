"""benchmarks.servers: peers give the answers of the project."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("litserve", reason="needs the extra bench")

from benchmarks.load_generator.photos import made_up_photo
from benchmarks.servers import triton
from benchmarks.servers.plain_pets import PlainClassifier
from benchmarks.servers.running import fastapi, litserve
from benchmarks.table.sales import one_day
from runtime.bundle import NETWORK
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request

STORE = Path(__file__).parents[3] / "model_store"
SALES, PETS = STORE / "demo", STORE / "pets"
PLAIN = {"SHOPCAT_PLAIN": str(PETS / NETWORK)}

pytestmark = pytest.mark.integration

Start = Callable[[Path, str, int, dict[str, str]], AbstractContextManager[str]]
needs_triton = pytest.mark.skipif(triton.packages() is None, reason="Triton is not installed; see make bench")


@pytest.mark.parametrize("start", [fastapi, litserve])
def test_forecasts_are_the_forecasters(start: Start) -> None:
    bodies = one_day(SALES)[:3]
    with start(SALES, "sales", 1, {}) as url:
        answers = [httpx.post(url, content=body, headers={"Content-Type": "application/json"}) for body in bodies]
    assert [answer.json() for answer in answers] == forecasts(bodies)


@pytest.mark.parametrize("start", [fastapi, litserve])
def test_breeds_are_the_classifiers(start: Start) -> None:
    photo = made_up_photo()
    with start(PETS, "pets", 1, PLAIN) as url:
        answer = httpx.post(url, content=photo, headers={"Content-Type": "image/jpeg"})
    assert answer.content == PlainClassifier(PETS, PETS / NETWORK).answer(photo)


@needs_triton
def test_triton_gives_the_same_forecasts() -> None:
    bodies = one_day(SALES)[:3]
    with triton.triton(SALES, "sales", 1, {}) as url:
        answers = [json.loads(infer(url, body)) for body in bodies]
    assert answers == forecasts(bodies)


@needs_triton
def test_triton_gives_the_same_breeds() -> None:
    photo = made_up_photo()
    with triton.triton(PETS, "pets", 1, PLAIN) as url:
        answer = json.loads(infer(url, photo))
    expected = json.loads(PlainClassifier(PETS, PETS / NETWORK).answer(photo))
    assert [breed["breed"] for breed in answer["top"]] == [breed["breed"] for breed in expected["top"]]
    assert [breed["probability"] for breed in answer["top"]] == pytest.approx(
        [breed["probability"] for breed in expected["top"]], rel=1e-3
    )


def test_requests_to_triton_have_json_of_one_length() -> None:
    bodies = [b"a", b"b" * 100_000]
    size = int(triton.HEADERS["Inference-Header-Content-Length"])
    for body, request in zip(bodies, triton.infer_bodies(bodies), strict=True):
        (tensor,) = json.loads(request[:size])["inputs"]
        assert tensor["parameters"]["binary_data_size"] == len(request) - size
        assert request[size:] == len(body).to_bytes(4, "little") + body


def infer(url: str, body: bytes) -> bytes:
    """Return the answer to one body by Triton's protocol."""
    (request,) = triton.infer_bodies([body])
    response = httpx.post(url, content=request, headers={**triton.HEADERS, "Content-Type": triton.CONTENT_TYPE})
    response.raise_for_status()
    size = int(response.headers["Inference-Header-Content-Length"])
    return response.content[size + 4 :]


def forecasts(bodies: list[bytes]) -> list[object]:
    forecaster = Forecaster.load(SALES)
    return [json.loads(answer.to_json()) for answer in forecaster.predict([parse_request(body) for body in bodies])]
