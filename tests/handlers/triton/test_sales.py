"""handlers.triton: forecasts of tensors are those of the forecaster."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handlers.triton.sales import NO_SALES, SalesModel
from runtime.bundle import GOLDEN
from sales.forecaster import Forecaster
from schemas.sales.answer import Forecasts
from schemas.sales.parse import ForecastRequest, parse_request
from tests.handlers.triton.conftest import STORE
from tests.handlers.triton.fake_backend import Request

DEMO = STORE / "demo"
FACTS = ("open", "promo", "school_holiday", "state_holiday", "weather", "columns")


@pytest.fixture(scope="module")
def model(load: Callable[[str], Any]) -> Any:
    return load("demo")


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster.load(DEMO)


def tensors(items: Sequence[dict[str, Any]]) -> Request:
    """Return items as a request with all inputs; a fact that an item does not state is "not stated"."""
    flags = {name: [int(item.get(name, -1)) for item in items] for name in FACTS[:3]}
    holidays = [item.get("state_holiday", "").encode() for item in items]
    objects = {name: [json.dumps(item[name]).encode() if name in item else b"" for item in items] for name in FACTS[4:]}
    stores, dates = [item["store"] for item in items], [item["date"].encode() for item in items]
    return Request({"store": stores, "date": dates, **flags, "state_holiday": holidays, **objects})


def expected(forecaster: Forecaster, items: Sequence[dict[str, Any]]) -> Forecasts:
    (answer,) = forecaster.predict([parse_request({"items": items})])
    assert isinstance(answer, Forecasts)
    return answer


def test_golden_rows_have_the_golden_forecasts(model: Any) -> None:
    """Each row is a request, as at a load; all requests come together."""
    rows = json.loads((DEMO / GOLDEN).read_text(encoding="utf-8"))
    responses = model.execute([tensors([row]) for row in rows])
    sales = [response.arrays()["sales"].item() for response in responses]
    assert sales == pytest.approx([row["sales"] for row in rows], rel=1e-4)


def test_items_of_a_request_are_one_plan(model: Any, forecaster: Forecaster) -> None:
    """A holiday that is stated for one day changes the forecasts of its neighbours, which state nothing themselves."""
    days = [{"store": 4, "date": f"2015-08-{day:02}"} for day in range(1, 15)]
    plan = [*days[:6], {**days[6], "state_holiday": "a", "open": False, "promo": True}, *days[7:]]
    together, alone = model.execute([tensors(plan), tensors(days)])
    assert [item.sales for item in expected(forecaster, plan).items] == together.arrays()["sales"][:, 0].tolist()
    assert [item.sales for item in expected(forecaster, days).items] == alone.arrays()["sales"][:, 0].tolist()
    differs = together.arrays()["sales"][:, 0] != alone.arrays()["sales"][:, 0]
    assert differs[6]
    assert differs[np.arange(14) != 6].any()


def test_stated_facts_are_those_of_the_api(model: Any, forecaster: Forecaster) -> None:
    items = [
        {"store": 1, "date": "2015-08-03", "promo": True, "school_holiday": False},
        {"store": 2, "date": "2015-08-03", "open": False},
        {"store": 3, "date": "2015-08-03", "state_holiday": "0", "weather": {"max_temperature": 35.5}},
        {"store": 5, "date": "2015-09-30", "promo": False, "columns": {"price": 2}},
    ]
    outputs, answer = model.execute([tensors(items)])[0].arrays(), expected(forecaster, items)
    assert outputs["sales"][:, 0].tolist() == [item.sales for item in answer.items]
    assert outputs["assumed"][:, 0].tolist() == [",".join(item.assumed).encode() for item in answer.items]
    warnings = [[vars(warning) for warning in item.warnings] for item in answer.items]
    assert [json.loads(text) for text in outputs["warnings"][:, 0]] == warnings
    assert sum(map(len, warnings)) > 0
    assert outputs["problem"][:, 0].tolist() == [b""] * 4


def test_optional_inputs_may_be_left_out(model: Any, forecaster: Forecaster) -> None:
    (response,) = model.execute([Request({"store": [1, 2], "date": [b"2015-08-01", b"2015-08-02"]})])
    items = [{"store": 1, "date": "2015-08-01"}, {"store": 2, "date": "2015-08-02"}]
    assert response.arrays()["sales"][:, 0].tolist() == [item.sales for item in expected(forecaster, items).items]


BAD_ITEMS = [
    ({"store": 999_999, "date": "2015-08-01"}, "unknown-store"),
    ({"store": -5, "date": "2015-08-01"}, "invalid-request"),
    ({"store": 1, "date": "1015-08-01"}, "outside-calendar"),
    ({"store": 1, "date": "tomorrow"}, "invalid-request"),
    ({"store": 1, "date": "2015-08-01", "promo": 2}, "invalid-request"),
    ({"store": 1, "date": "2015-08-01", "state_holiday": "x"}, "invalid-request"),
    ({"store": 1, "date": "2015-08-01", "weather": {"sunshine": 3}}, "invalid-request"),
    ({"store": 1, "date": "2015-08-01", "columns": [1]}, "invalid-request"),
]


def test_bad_items_have_problems_and_good_ones_forecasts(model: Any, forecaster: Forecaster) -> None:
    good = {"store": 1, "date": "2015-08-01"}
    items = [item for bad, _ in BAD_ITEMS for item in (bad, good)]
    outputs = model.execute([tensors(items)])[0].arrays()
    (sales,) = {*outputs["sales"][1::2, 0]}
    assert sales == expected(forecaster, [good]).items[0].sales
    assert outputs["sales"][::2, 0].tolist() == [NO_SALES] * len(BAD_ITEMS)
    assert outputs["problem"][1::2, 0].tolist() == [b""] * len(BAD_ITEMS)
    problems = [json.loads(text) for text in outputs["problem"][::2, 0]]
    assert [problem["type"].rpartition(":")[2] for problem in problems] == [kind for _, kind in BAD_ITEMS]
    for place, problem in enumerate(problems):
        assert f"/items/{2 * place}/" in str(problem)


def test_a_request_of_bad_items_alone_has_a_problem_for_each(model: Any) -> None:
    outputs = model.execute([tensors([item for item, _ in BAD_ITEMS])])[0].arrays()
    kinds = [json.loads(text)["type"].rpartition(":")[2] for text in outputs["problem"][:, 0]]
    assert kinds == [kind for _, kind in BAD_ITEMS]


def test_texts_that_are_not_utf8_have_problems(model: Any) -> None:
    (response,) = model.execute(
        [Request({"store": [1, 1], "date": [b"\xff\xfe", b"2015-08-01"], "weather": [b"", b"\xff{"]})]
    )
    assert [bool(text) for text in response.arrays()["problem"][:, 0]] == [True, True]


def test_a_request_that_fails_harms_no_other(
    model: Any, forecaster: Forecaster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    results = Forecaster.results

    def trip(self: Forecaster, requests: Sequence[ForecastRequest]) -> Any:
        if any(item.store == 13 for request in requests for item in request.items):
            raise RuntimeError("tripped")
        return results(self, requests)

    monkeypatch.setattr(Forecaster, "results", trip)
    items = [{"store": store, "date": "2015-08-05"} for store in (1, 13, 2)]
    with caplog.at_level(logging.ERROR):
        first, second, third = model.execute([tensors([item]) for item in items])
    assert first.arrays()["sales"].item() == expected(forecaster, items[:1]).items[0].sales
    assert third.arrays()["sales"].item() == expected(forecaster, items[2:]).items[0].sales
    assert second.error.message() == "internal error: RuntimeError; Triton's log has the cause"
    assert "tripped" in caplog.text


def test_stores_that_are_texts_are_a_tensor_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ForecastRequest] = []
    panel = SimpleNamespace(store_ids=("Berlin", "Köln"))
    fake = SimpleNamespace(model=SimpleNamespace(panel=panel), results=lambda requests: asked.extend(requests) or [[]])
    monkeypatch.setattr(Forecaster, "load", lambda bundle: fake)
    model = SalesModel(Path("bundle"))
    assert {tensor.name: tensor.data_type for tensor in model.inputs}["store"] == "BYTES"
    model.answer([{"store": np.array(["Köln".encode()], np.object_), "date": np.array([b"2015-08-01"], np.object_)}])
    assert [item.store for item in asked[0].items] == ["Köln"]


def test_arrays_that_triton_reads_wrongly_stop_the_load(
    load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Triton up to 2.51 reads arrays of numpy 2."""
    monkeypatch.setattr("tests.handlers.triton.fake_backend.Tensor.as_numpy", lambda self: np.zeros(0))
    with pytest.raises(RuntimeError, match=r"can't read arrays of numpy .*; install numpy<2 into the environment"):
        load("demo")
