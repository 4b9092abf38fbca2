"""A console with both shipped models in this process, and receipts that its key signs."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from console.app import create_app
from console.settings import Settings
from pets.claims import pets_claims
from runtime.receipts import make_key, new_id, sign
from sales.answers.claims import sales_claims
from sales.forecaster import Forecaster
from schemas.feedback.claims import Claims
from schemas.pets.answer import BoxAnswer, Breed, Prediction, ReviewReason
from schemas.pets.request import PetRequest
from schemas.problems import Problem
from schemas.sales.parse import parse_request

MODELS = Path(__file__).parents[3] / "model_store"
BUNDLES = {"sales": MODELS / "demo", "pets": MODELS / "pets"}
RANGE = {"store": 3, "start": "2015-08-03", "days": 14}

Console = TestClient
Send = Callable[..., Any]


@pytest.fixture(scope="session")
def demo() -> Forecaster:
    """Forecaster of the shipped sales bundle."""
    return Forecaster.load(BUNDLES["sales"])


@pytest.fixture
def key(tmp_path: Path) -> bytes:
    return make_key(tmp_path / "receipt.key")


@pytest.fixture
def settings(tmp_path: Path, key: bytes, database_address: str) -> Settings:
    return Settings(
        data=tmp_path,
        database=database_address,
        gateway="http://127.0.0.1:8080",
        receipt_key=tmp_path / "receipt.key",
        keys=True,
        socket=tmp_path / "pages.sock",
        bundles=BUNDLES,
    )


@pytest.fixture
def console(settings: Settings) -> Iterator[Console]:
    """A client of the console; headers name the client and its roles, as the gateway would."""
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8080") as client:
        client.headers |= {"x-shopcat-client": "shop", "x-shopcat-roles": "predict"}
        yield client


@pytest.fixture
def send(console: Console) -> Send:
    """Send true values to a model; return the content of the answer, whose status must be the expected one."""

    def post(model: str, *items: Any, status: int = 200, roles: str = "predict", client: str = "shop") -> Any:
        headers = {"x-shopcat-roles": roles, "x-shopcat-client": client}
        answer = console.post(f"/feedback/{model}", json={"items": items}, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    return post


def receipt_of(demo: Forecaster, key: bytes, body: Any = RANGE, **changes: Any) -> tuple[str, Any]:
    """Return the receipt of an answer to a request, signed as a worker signs it, and the answer's content."""
    (answer,) = demo.predict([parse_request(body)])
    assert not isinstance(answer, Problem)
    return signed(sales_claims(demo, answer), key, **changes), json.loads(answer.to_json())


def photo_receipt(
    key: bytes,
    breed: str = "Bengal",
    *,
    reason: ReviewReason | None = None,
    share: float = 0.02,
    known: bool = True,
    **changes: Any,
) -> str:
    """Return the receipt of an answer about a photo, signed as a worker signs it."""
    answer = Prediction(
        breed=breed,
        species="cat",
        probability=0.9,
        top=[Breed(breed, "cat", 0.9)],
        known=known,
        decision="accept" if reason is None else "review",
        review_reason=reason,
        look="whole",
        box=BoxAnswer(0, 0, 1, 1),
        heatmap=None,
        warnings=[],
        model="pets",
        version="1",
    )
    return signed(pets_claims(PetRequest(image=new_id().encode()), answer, share), key, **changes)


def signed(claims: Claims, key: bytes, **changes: Any) -> str:
    return sign({**claims.to_sign(), **changes}, key)


def long_ago() -> int:
    """Return a time before the oldest receipts that are taken."""
    return int(time.time()) - 401 * 86_400
