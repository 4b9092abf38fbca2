"""Receipts in the answers of handlers: what they claim, and their size."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.sales import SalesHandler
from handlers.worker_settings import worker_environment
from runtime.receipts import make_key, verify
from schemas.feedback.claims import PROBABILITIES, SalesClaims
from schemas.problem_kinds import type_uri

BUNDLE = Path(__file__).parents[2] / "model_store" / "demo"
DAY = {"store": 3, "date": "2015-08-04"}


class Signing:
    """A handler of the demo bundle that signs receipts."""

    def __init__(self, key_file: Path) -> None:
        self.key = make_key(key_file)
        with pytest.MonkeyPatch.context() as environment:
            for name, value in worker_environment(receipt_key=key_file).items():
                environment.setenv(name, value)
            self.handler = SalesHandler(BUNDLE, device="cpu")

    def ask(self, *bodies: Any, explain: bool = False) -> list[Any]:
        return ask(self.handler, *bodies, explain=explain)

    def claims(self, content: Any) -> SalesClaims:
        return SalesClaims.model_validate(verify(content["receipt"], self.key))


def ask(handler: SalesHandler, *bodies: Any, explain: bool = False) -> list[Any]:
    """Return the content of the answer to each body, which come in one batch."""
    requests = [Request({"body": json.dumps(body).encode()}, [], explain=explain) for body in bodies]
    responses = answer_batch(requests, parse=handler.parse, run=handler.predict).responses
    return [json.loads(response.body) for response in responses]


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Signing:
    return Signing(tmp_path_factory.mktemp("state") / "receipt.key")


def test_only_answers_to_requests_for_a_receipt_have_one(signing: Signing) -> None:
    with_receipt, without, refused = signing.ask({**DAY, "receipt": True}, DAY, {**DAY, "receipt": False})
    assert "receipt" in with_receipt
    assert not {"receipt"} & (without.keys() | refused.keys())
    del with_receipt["receipt"]
    assert with_receipt == without == refused


def test_a_receipt_claims_what_the_answer_says(signing: Signing) -> None:
    content, other = signing.ask({**DAY, "levels": [80, 90], "receipt": True}, {**DAY, "quantiles": [0.5]})
    claims = signing.claims(content)
    assert (claims.model, claims.version) == (content["model"], content["version"])
    assert (claims.stores, str(claims.date(0)), claims.sales) == ([3], content["date"], [content["sales"]])
    middle, wide = content["intervals"]
    assert PROBABILITIES == (0.05, 0.1, 0.5, 0.9, 0.95)
    median = other["quantiles"][0]["sales"]
    expected = [wide["low"], middle["low"], median, middle["high"], wide["high"]]
    assert claims.quantiles[0] == pytest.approx(expected, rel=2e-5)
    assert claims.slices[claims.slice[0]].keys() == {"store_type", "assortment", "state"}


def test_the_quantiles_do_not_depend_on_the_objective(signing: Signing) -> None:
    median, mean = signing.ask(*({**DAY, "objective": name, "receipt": True} for name in ("median", "mean")))
    assert mean["sales"] > median["sales"]
    assert signing.claims(mean).quantiles[0] == pytest.approx(signing.claims(median).quantiles[0], rel=2e-5)


def test_one_receipt_numbers_the_items_of_an_answer(signing: Signing) -> None:
    items = [DAY, {"store": 9999, "date": "2015-08-04"}, {"store": 5, "date": "2015-09-01"}, {**DAY, "date": "x"}]
    (content,) = signing.ask({"items": items, "receipt": True})
    claims = signing.claims(content)
    assert claims.stores == [3, None, 5, None]
    assert claims.sales == [content["items"][0]["sales"], 0, content["items"][2]["sales"], 0]
    assert str(claims.date(2)) == "2015-09-01"


def test_the_receipt_of_a_what_if_is_that_of_the_plan_as_asked(signing: Signing) -> None:
    (content,) = signing.ask({**DAY, "what_if": {"open": False}, "receipt": True})
    assert signing.claims(content).sales == [content["sales"]]
    assert content["what_if"]["sales"] == 0


def test_an_explanation_may_have_a_receipt(signing: Signing) -> None:
    (content,) = signing.ask({**DAY, "receipt": True}, explain=True)
    assert signing.claims(content).sales == [content["sales"]]


def test_receipts_stay_small(signing: Signing) -> None:
    """Bounds on characters, measured: 1 item 294, 64 days of a store 2,100, 1,000 items of all stores 28,000."""
    days = {"store": 3, "start": "2015-08-01", "days": 64}
    items = [{"store": 1 + place % 20, "date": f"2015-08-{1 + place // 20 % 28:02}"} for place in range(1000)]
    one, range_, list_ = signing.ask(*({**body, "receipt": True} for body in (DAY, days, {"items": items})))
    assert len(one["receipt"]) < 340
    assert len(range_["receipt"]) < 2500 < len(json.dumps(range_)) / 3
    assert len(list_["receipt"]) < 32_000


def test_a_service_without_a_key_refuses_to_give_a_receipt() -> None:
    (content,) = ask(SalesHandler(BUNDLE, device="cpu"), {**DAY, "receipt": True})
    assert content["type"] == type_uri("invalid-request")
    assert "/receipt: nothing here signs receipts" in content["detail"]


def test_a_receipt_is_asked_for_with_a_boolean(signing: Signing) -> None:
    (content,) = signing.ask({**DAY, "receipt": "yes"})
    assert content["errors"][0] == {"path": "/receipt", "value": "'yes'", "detail": "must be true or false"}
