"""benchmarks.servers: peers give the answers of the project."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("litserve", reason="needs the extra bench")

from benchmarks.load_generator.photos import made_up_photo
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


def forecasts(bodies: list[bytes]) -> list[object]:
    forecaster = Forecaster.load(SALES)
    return [json.loads(answer.to_json()) for answer in forecaster.predict([parse_request(body) for body in bodies])]
