"""`shopcat.Forecaster`: every kind of question, and the same figures as the service."""

import datetime as dt
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import shopcat
from handlers.batch import answer_batch
from handlers.http import Request
from sales.forecaster import Forecaster as Predictor
from schemas.problem_kinds import PROBLEM_KINDS
from schemas.sales.parse import ForecastRequest, parse_request

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "model_store" / "demo"


@pytest.fixture(scope="module")
def model() -> shopcat.Forecaster:
    loaded = shopcat.load(BUNDLE, device="cpu")
    assert isinstance(loaded, shopcat.Forecaster)
    return loaded


@pytest.fixture(scope="module")
def forecaster() -> Predictor:
    """The predictor as a handler loads it."""
    return Predictor.load(BUNDLE)


@pytest.fixture(scope="module")
def day(model: shopcat.Forecaster) -> dt.date:
    """An ordinary day after the cutoff: a Tuesday."""
    return next(date for n in range(1, 8) if (date := model.cutoff + dt.timedelta(days=n)).isoweekday() == 2)


def test_the_last_date_of_a_model_that_refuses_later_dates_ends_its_horizon(forecaster: Predictor) -> None:
    refusing = shopcat.Forecaster(Predictor(replace(forecaster.model, beyond_horizon="refuse")))
    assert refusing.last_date == refusing.cutoff + dt.timedelta(days=refusing.horizon)
    assert refusing.forecast(store=1, date=refusing.last_date).date == refusing.last_date


def parse(request: Request) -> ForecastRequest:
    return parse_request(request.body(), explain=request.explain)


def answered(predictor: Predictor, body: Mapping[str, Any], *, explain: bool = False) -> dict[str, Any]:
    """Return the service's answer to a request."""
    request = Request({"body": json.dumps(body, default=str).encode()}, explain=explain)
    (response,) = answer_batch([request], parse=parse, run=predictor.predict).responses
    return dict(json.loads(response.body))


def test_a_forecast_has_the_figures_of_the_service(
    model: shopcat.Forecaster, forecaster: Predictor, day: dt.date
) -> None:
    forecast = model.forecast(store=1, date=day, promo=True)
    assert isinstance(forecast, shopcat.Forecast)
    assert json.loads(forecast.to_json()) == answered(forecaster, {"store": 1, "date": day, "promo": True})


def test_a_range_has_the_figures_of_the_service(model: shopcat.Forecaster, forecaster: Predictor, day: dt.date) -> None:
    forecasts = model.forecast(store=2, start=day, days=9, school_holiday=False)
    body = {"store": 2, "start": day, "days": 9, "school_holiday": False}
    assert [forecast.sales for forecast in forecasts if isinstance(forecast, shopcat.ItemForecast)] == [
        item["sales"] for item in answered(forecaster, body)["items"]
    ]


def test_a_list_has_the_figures_and_problems_of_the_service(
    model: shopcat.Forecaster, forecaster: Predictor, day: dt.date
) -> None:
    items: list[dict[str, Any]] = [
        {"store": 1, "date": day, "promo": True},
        {"store": 999, "date": day},
        {"store": 2},
        {"store": 3, "date": str(day), "weather": {"max_temperature": 31.5}},
    ]
    expected = answered(forecaster, {"items": items})["items"]
    answers = model.forecast(items)
    assert [type(answer) for answer in answers] == [
        shopcat.ItemForecast,
        shopcat.ItemProblem,
        shopcat.ItemProblem,
        shopcat.ItemForecast,
    ]
    for answer, item in zip(answers, expected, strict=True):
        if isinstance(answer, shopcat.ItemProblem):
            assert answer.problem == shopcat.Problem.model_validate(item["problem"])
        else:
            assert answer.sales == item["sales"]


def test_a_what_if_has_the_figures_of_the_service(
    model: shopcat.Forecaster, forecaster: Predictor, day: dt.date
) -> None:
    comparison = model.what_if(store=1, date=day, facts={"open": True, "promo": False}, promo=True)
    body = {"store": 1, "date": day, "open": True, "promo": False, "what_if": {"promo": True}}
    assert json.loads(comparison.to_json()) == answered(forecaster, body)
    assert comparison.what_if.sales > comparison.sales
    days = model.what_if(store=1, start=day, days=3, promo=[True, None, False])
    body = {"store": 1, "start": day, "days": 3, "what_if": {"promo": [True, None, False]}}
    assert [comparison.what_if.sales for comparison in days if isinstance(comparison, shopcat.ItemComparison)] == [
        item["what_if"]["sales"] for item in answered(forecaster, body)["items"]
    ]


def test_an_explanation_has_the_figures_of_the_service(
    model: shopcat.Forecaster, forecaster: Predictor, day: dt.date
) -> None:
    explanation = model.explain(store=1, date=day)
    assert json.loads(explanation.to_json()) == answered(forecaster, {"store": 1, "date": day}, explain=True)
    items = [{"store": 1, "date": day}, {"store": 999, "date": day}]
    good, bad = model.explain(items)
    assert isinstance(good, shopcat.ItemExplanation)
    assert good.groups == explanation.groups
    assert isinstance(bad, shopcat.ItemProblem)


def test_a_list_may_be_longer_than_a_request(model: shopcat.Forecaster, day: dt.date) -> None:
    answers = model.forecast({"store": 1, "date": day} for _ in range(1001))
    assert len(answers) == 1001
    assert len(model.explain([{"store": 1, "date": day}] * 51)) == 51


def test_the_facts_of_a_call_are_one_plan(model: shopcat.Forecaster, day: dt.date) -> None:
    """A promotion that another item states changes this item's forecast."""
    alone = model.forecast(store=1, date=day, promo=False)
    later = {"store": 1, "date": day + dt.timedelta(days=1), "promo": True}
    planned, _ = model.forecast([{"store": 1, "date": day, "promo": False}, later])
    assert isinstance(planned, shopcat.ItemForecast)
    assert planned.sales != alone.sales


def test_nothing_asked_is_nothing_answered(model: shopcat.Forecaster) -> None:
    assert model.forecast([]) == []
    answer = model.forecast(pd.DataFrame({"store": [], "date": []}))
    assert answer.shape == (0, 4)


def test_numpy_values_and_midnights_are_read(model: shopcat.Forecaster, day: dt.date) -> None:
    expected = model.forecast(store=1, date=day, promo=True)
    stamp = pd.Timestamp(day)
    assert model.forecast(store=np.int64(1), date=np.datetime64(day), promo=np.bool_(True)) == expected  # type: ignore[call-overload]
    assert model.forecast(store=1, date=stamp, promo=True) == expected
    assert model.forecast(store=1, date=dt.datetime.combine(day, dt.time()), promo=True) == expected
    with pytest.raises(shopcat.RequestError, match="/date: a date is a string like 2015-08-01"):
        model.forecast(store=1, date=dt.datetime.combine(day, dt.time(12)))


def test_a_request_without_an_answer_raises(model: shopcat.Forecaster, day: dt.date) -> None:
    with pytest.raises(shopcat.RequestError, match="store 999 is not known to the model") as raised:
        model.forecast(store=999, date=day)
    assert raised.value.kind == "unknown-store"
    assert raised.value.problem.status == 404
    assert [(error.path, error.value) for error in raised.value.errors] == [("/store", "999")]
    assert raised.value.remedy == PROBLEM_KINDS["unknown-store"].remedy
    assert isinstance(raised.value, shopcat.UserError)
    assert isinstance(raised.value, ValueError)


def test_a_list_without_any_answer_raises(model: shopcat.Forecaster, day: dt.date) -> None:
    with pytest.raises(shopcat.RequestError, match="none of the 2 items can be forecast; the first: /items/0/date"):
        model.forecast([{"store": 1}, {"store": 2}])
    with pytest.raises(shopcat.RequestError, match="store 999 is not known"):
        model.forecast([{"store": 999, "date": day}])


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"store": 1}, "/date: required"),
        ({"store": 1, "date": "2015-08-99"}, "/date: "),
        ({"store": 1, "date": "2015-08-01", "promotion": True}, "/promotion: unknown field; the valid fields are "),
        ({"store": 1, "date": "2015-08-01", "promo": 1}, "/promo: must be true or false"),
        ({"store": 1, "start": "2015-08-01", "days": 0}, "/days: must be 1 or more"),
    ],
)
def test_a_wrong_field_is_named(model: shopcat.Forecaster, question: dict[str, Any], message: str) -> None:
    with pytest.raises(shopcat.RequestError, match=message):
        model.forecast(**question)


def test_only_a_service_gives_receipts(model: shopcat.Forecaster, day: dt.date) -> None:
    with pytest.raises(shopcat.RequestError, match="/receipt: nothing here signs receipts"):
        model.forecast(store=1, date=day, receipt=True)


def test_a_what_if_needs_a_change(model: shopcat.Forecaster, day: dt.date) -> None:
    with pytest.raises(shopcat.RequestError, match="/what_if: "):
        model.what_if(store=1, date=day)


def test_an_explanation_takes_no_what_if(model: shopcat.Forecaster, day: dt.date) -> None:
    items = [{"store": 1, "date": day}, {"store": 1, "date": day, "what_if": {"promo": True}}]
    with pytest.raises(shopcat.RequestError, match="/items/1/what_if: "):
        model.explain(items)


def test_wrong_arguments_are_type_errors(model: shopcat.Forecaster, day: dt.date) -> None:
    with pytest.raises(TypeError, match="give a store and a date"):
        model.forecast()  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="give either items or store, date, not both"):
        model.forecast([{}], store=1, date=day)  # type: ignore[call-overload]
    wrong_items: list[Any] = [{"store": 1, "date": day}, "2015-08-01", 7]
    for items in wrong_items:
        with pytest.raises(TypeError, match=f"not {type(items).__name__}"):
            model.forecast(items)


def test_the_attributes_are_those_of_the_bundle(model: shopcat.Forecaster, forecaster: Predictor) -> None:
    calendar = forecaster.model.panel.calendar
    assert (model.name, model.version, model.cutoff) == (forecaster.name, forecaster.version, forecaster.cutoff)
    assert model.stores == tuple(range(1, len(calendar.stores) + 1))
    assert model.first_date < model.cutoff < model.last_date
    assert model.horizon == forecaster.model.horizon
    assert repr(model) == (
        f"<shopcat.Forecaster sales {model.version}: {len(calendar.stores)} stores, sales to {model.cutoff}>"
    )
    with pytest.raises(shopcat.RequestError, match="the model's calendar does not reach"):
        model.forecast(store=1, date=model.last_date + dt.timedelta(days=1))
    assert model.forecast(store=1, date=model.last_date).date == model.last_date


def test_paths_of_all_kinds_load() -> None:
    for path in (str(BUNDLE), BUNDLE):
        assert shopcat.Forecaster.load(path, "cpu").name == "sales"


def test_a_folder_that_is_no_bundle_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(shopcat.BundleError, match="is not a folder; name a bundle"):
        shopcat.load(tmp_path / "absent")
    with pytest.raises(shopcat.BundleError, match=r"has no bundle\.json"):
        shopcat.load(tmp_path)
    other = shutil.copytree(BUNDLE, tmp_path / "other")
    manifest = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps({**manifest, "kind": "toys"}))
    with pytest.raises(shopcat.BundleError, match=r"kind 'toys'.* reads sales and pets; update shopcat"):
        shopcat.load(other)
    with pytest.raises(shopcat.BundleError):
        shopcat.Classifier.load(BUNDLE, "cpu")


def test_an_absent_device_is_rejected() -> None:
    with pytest.raises(shopcat.DeviceError, match="'tpu' is not known"):
        shopcat.load(BUNDLE, "tpu")


def test_no_model_needs_torch_pandas_or_training(day: dt.date, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.effect_noise((300, 200), 60).save(photo)
    script = """
import sys
for name in ("torch", "torchvision", "timm", "pandas", "training", "handlers", "serving", "cli", "matplotlib", "onnx"):
    sys.modules[name] = None
import shopcat
sales = shopcat.load(sys.argv[1])
print(sales.forecast(store=1, date=sys.argv[2]).sales)
print(len(sales.forecast([{"store": 1, "date": sys.argv[2]}])), sales.explain(store=1, date=sys.argv[2]).baseline.store)
print(shopcat.load("model_store/pets").classify(sys.argv[3]).breed)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, BUNDLE, str(day), photo],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    sales, *_, breed = done.stdout.splitlines()
    assert float(sales) == shopcat.Forecaster.load(BUNDLE, "cpu").forecast(store=1, date=day).sales
    assert breed


def test_intervals_and_totals_have_the_figures_of_the_service(
    model: shopcat.Forecaster, forecaster: Predictor, day: dt.date
) -> None:
    one = model.forecast(store=1, date=day, levels=[80, 90], objective="mean")
    assert json.loads(one.to_json()) == answered(
        forecaster, {"store": 1, "date": day, "levels": [80, 90], "objective": "mean"}
    )
    days = model.forecast(store=1, start=day, days=3, quantiles=(0.1, 0.9))
    body = answered(forecaster, {"store": 1, "start": day, "days": 3, "quantiles": [0.1, 0.9]})
    assert days.total is not None
    assert days.total.sales == body["total"]["sales"]
    assert days.total.quantiles is not None
    assert [quantile.sales for quantile in days.total.quantiles] == [
        quantile["sales"] for quantile in body["total"]["quantiles"]
    ]
    explanation = model.explain(store=1, date=day, levels=[80])
    assert explanation.intervals == model.forecast(store=1, date=day, levels=[80]).intervals
    with pytest.raises(shopcat.RequestError, match="send levels or quantiles, not both"):
        model.forecast(store=1, date=day, levels=[80], quantiles=[0.5])
