"""sales.forecaster: objectives, intervals, quantiles and totals of answers."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sales.forecaster import Answer, Forecaster
from sales.uncertainty.calibration import Calibration
from schemas.problems import Problem
from schemas.sales.answer import (
    Comparison,
    Comparisons,
    Forecast,
    Forecasts,
    ForecastWarning,
    ItemForecast,
)
from schemas.sales.explanation import Explanation
from schemas.sales.parse import parse_request
from tests.sales.forecasts import HORIZON, MONDAY, SATURDAY, ask, model_of
from tests.sales.uncertainty.simulated import simulated
from training.sales.data.tables import Tables

SUNDAY = dt.date(2015, 8, 23)


@pytest.fixture(scope="module")
def calibrated(demo_tables: Tables) -> Forecaster:
    """A forecaster with a calibration on simulated residuals; the last store has none."""
    model = model_of(demo_tables, "production")
    stores = len(model.panel.store_ids)
    noise = np.geomspace(0.05, 0.2, stores - 1)
    residuals = simulated(np.random.default_rng(0), noise, windows=3, horizon=HORIZON)
    calibration = Calibration.fit(residuals.for_stores(np.array([*range(stores - 1), -1])))
    return Forecaster(replace(model, calibration=calibration))


def calibration_of(forecaster: Forecaster) -> Calibration:
    calibration = forecaster.model.calibration
    assert calibration is not None
    return calibration


def as_json(answer: Answer) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(answer.to_json())
    return content


def test_an_answer_without_options_has_neither_intervals_nor_quantiles(calibrated: Forecaster) -> None:
    (answer,) = ask(calibrated, {"store": 4, "date": MONDAY})

    content = as_json(answer)
    assert content["objective"] == "median"
    assert not {"intervals", "quantiles", "total"} & content.keys()


def test_intervals_are_the_median_times_the_multipliers(calibrated: Forecaster) -> None:
    plain, asked = ask(
        calibrated, {"store": 4, "date": MONDAY}, {"store": 4, "date": MONDAY, "levels": [80, 95], "objective": "mean"}
    )
    assert isinstance(plain, Forecast)
    assert isinstance(asked, Forecast)
    assert asked.intervals is not None

    calibration, ahead = calibration_of(calibrated), (MONDAY - calibrated.cutoff).days - 1
    ends = calibration.multipliers(np.array([3]), np.array([ahead]), np.array([0.1, 0.9, 0.025, 0.975]))[0]
    numbers = [number for interval in asked.intervals for number in (interval.low, interval.high)]
    assert numbers == pytest.approx((plain.sales * ends).tolist(), rel=1e-6)
    assert [interval.level for interval in asked.intervals] == [80, 95]
    assert asked.sales == pytest.approx(plain.sales * calibration.factors["mean"], rel=1e-6)


def test_levels_and_quantiles_agree(calibrated: Forecaster) -> None:
    levels, quantiles = ask(
        calibrated,
        {"store": 4, "date": MONDAY, "levels": [80]},
        {"store": 4, "date": MONDAY, "quantiles": [0.9, 0.1]},
    )

    (interval,), (high, low) = as_json(levels)["intervals"], as_json(quantiles)["quantiles"]
    assert interval == {"level": 80, "low": low["sales"], "high": high["sales"]}
    assert (high["quantile"], low["quantile"]) == (0.9, 0.1)
    assert "intervals" not in as_json(quantiles)


@pytest.mark.parametrize("objective", ["median", "mean", "rmspe"])
def test_each_objective_has_its_factor_and_the_same_intervals(calibrated: Forecaster, objective: str) -> None:
    body = {"store": 4, "date": MONDAY, "levels": [80]}
    plain, other = ask(calibrated, body, {**body, "objective": objective})
    assert isinstance(plain, Forecast)
    assert isinstance(other, Forecast)

    factor = calibration_of(calibrated).factors[objective]  # type: ignore[index]
    assert other.objective == objective
    assert other.sales == pytest.approx(plain.sales * factor, rel=1e-6)
    assert other.intervals == plain.intervals


def test_the_default_objective_is_that_of_the_model(calibrated: Forecaster) -> None:
    forecaster = Forecaster(replace(calibrated.model, objective="rmspe"))
    default, median = ask(forecaster, {"store": 4, "date": MONDAY}, {"store": 4, "date": MONDAY, "objective": "median"})
    assert isinstance(default, Forecast)
    assert isinstance(median, Forecast)

    assert (default.objective, median.objective) == ("rmspe", "median")
    assert default.sales == pytest.approx(median.sales * calibration_of(calibrated).factors["rmspe"], rel=1e-6)


def test_requests_of_a_batch_have_their_own_options(calibrated: Forecaster) -> None:
    bodies: list[dict[str, Any]] = [
        {"store": 4, "date": MONDAY},
        {"store": 2, "date": MONDAY, "levels": [80], "objective": "mean"},
        {"store": 99, "date": MONDAY, "levels": [80]},
        {"store": 3, "start": SATURDAY, "days": 3, "quantiles": [0.5], "objective": "rmspe"},
        {"items": [{"store": 1, "date": MONDAY, "what_if": {"promo": True}}, {"store": 2, "date": SUNDAY}]},
        {"items": [{"store": 1, "date": MONDAY, "what_if": {"promo": True}}], "levels": [50]},
    ]

    together = ask(calibrated, *bodies)

    assert together == [ask(calibrated, body)[0] for body in bodies]


def test_a_closed_day_has_the_interval_0_to_0(calibrated: Forecaster) -> None:
    (answer,) = ask(calibrated, {"store": 4, "date": MONDAY, "open": False, "levels": [80]})

    assert as_json(answer)["intervals"] == [{"level": 80, "low": 0, "high": 0}]


def test_intervals_never_cross(calibrated: Forecaster) -> None:
    quantiles = np.linspace(0.01, 0.99, 20).round(4).tolist()
    (answer,) = ask(calibrated, {"store": 4, "start": SATURDAY, "days": 120, "quantiles": quantiles})

    assert isinstance(answer, Forecasts)
    for item in answer.items:
        assert isinstance(item, ItemForecast)
        assert item.quantiles is not None
        sales = [quantile.sales for quantile in item.quantiles]
        assert sales == sorted(sales)
        assert min(sales) >= 0


def test_intervals_widen_beyond_the_horizon(calibrated: Forecaster) -> None:
    last = calibrated.cutoff + dt.timedelta(days=HORIZON)
    near, far = ask(
        calibrated,
        {"store": 4, "date": last, "open": True, "levels": [80]},
        {"store": 4, "date": last + dt.timedelta(days=70), "open": True, "levels": [80]},
    )
    assert isinstance(far, Forecast)
    assert "beyond_horizon" in {warning.code for warning in far.warnings}

    width = []
    for answer in (near, far):
        content = as_json(answer)
        (interval,) = content["intervals"]
        width.append(np.log(interval["high"] / interval["low"]))
    assert width[1] > 1.4 * width[0]


def test_a_store_without_residuals_has_a_warning_only_beside_intervals(calibrated: Forecaster) -> None:
    store = calibrated.model.panel.store_ids[-1]
    body = {"store": store, "date": MONDAY, "open": True}
    plain, asked, closed = ask(calibrated, body, {**body, "levels": [80]}, {**body, "open": False, "levels": [80]})

    def codes(answer: Answer) -> set[str]:
        assert isinstance(answer, Forecast)
        return {warning.code for warning in answer.warnings}

    assert "new_store" in codes(asked)
    assert "new_store" not in codes(plain) | codes(closed)
    assert isinstance(asked, Forecast)
    assert all(isinstance(warning, ForecastWarning) for warning in asked.warnings)
    assert "new_store" not in codes(ask(calibrated, body)[0])  # warnings of other requests are not shared


def test_a_range_has_the_total_of_mean_forecasts(calibrated: Forecaster) -> None:
    body = {"store": 4, "start": SATURDAY, "days": 10}
    plain, mean, rmspe = ask(
        calibrated, {**body, "levels": [80]}, {**body, "objective": "mean"}, {**body, "objective": "rmspe"}
    )
    assert isinstance(plain, Forecasts)
    assert isinstance(mean, Forecasts)
    assert isinstance(rmspe, Forecasts)
    assert plain.total is not None
    assert mean.total is not None
    assert rmspe.total is not None
    assert plain.total.intervals is not None

    total = sum(item.sales for item in mean.items if isinstance(item, ItemForecast))
    assert plain.total.objective == mean.total.objective == "mean"
    assert plain.total.days == 10
    assert [plain.total.sales, rmspe.total.sales] == pytest.approx([total, total], rel=1e-6)
    assert mean.total.intervals is None
    last = (SATURDAY - calibrated.cutoff).days + 8
    open_days = sum(item.sales > 0 for item in mean.items if isinstance(item, ItemForecast))
    assert 1 < open_days < 10
    ends = calibration_of(calibrated).total_multipliers(3, open_days, last, np.array([0.1, 0.9]))
    (interval,) = plain.total.intervals
    assert [interval.low, interval.high] == pytest.approx((plain.total.sales * ends).tolist(), rel=1e-6)
    assert "total" not in as_json(ask(calibrated, {"items": [{"store": 4, "date": MONDAY}]})[0])


def test_the_total_of_one_open_day_has_the_interval_of_the_day(calibrated: Forecaster) -> None:
    body = {"store": 4, "start": SATURDAY, "days": 2, "open": [True, False], "levels": [80], "objective": "mean"}
    (answer,) = ask(calibrated, body)

    content = as_json(answer)
    assert content["total"]["intervals"] == content["items"][0]["intervals"]
    assert content["total"]["sales"] == pytest.approx(content["items"][0]["sales"], rel=1e-6)


def test_closed_days_do_not_make_a_total_surer(calibrated: Forecaster) -> None:
    closed, short = ask(
        calibrated,
        {"store": 4, "start": SATURDAY, "days": 10, "open": [True, True] + [False] * 8, "levels": [80]},
        {"store": 4, "start": SATURDAY, "days": 2, "open": True, "levels": [80]},
    )

    totals = [as_json(answer)["total"] for answer in (closed, short)]
    ratios = [total["intervals"][0]["high"] / total["sales"] for total in totals]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-5)


def test_the_total_of_closed_days_is_0(calibrated: Forecaster) -> None:
    (answer,) = ask(calibrated, {"store": 4, "start": SATURDAY, "days": 3, "open": False, "levels": [80]})

    assert as_json(answer)["total"] == {
        "days": 3,
        "sales": 0,
        "objective": "mean",
        "intervals": [{"level": 80, "low": 0, "high": 0}],
    }


def test_a_range_with_days_outside_the_calendar_totals_the_others(calibrated: Forecaster) -> None:
    last = calibrated.model.panel.calendar.date(calibrated.last_day)
    (answer,) = ask(calibrated, {"store": 4, "start": last, "days": 3, "levels": [80]})

    assert as_json(answer)["total"]["days"] == 1


def test_a_what_if_has_intervals_and_totals_of_both(calibrated: Forecaster) -> None:
    one, several = ask(
        calibrated,
        {"store": 4, "date": MONDAY, "promo": False, "what_if": {"promo": True}, "levels": [80]},
        {"store": 4, "start": MONDAY, "days": 2, "promo": False, "what_if": {"promo": True}, "quantiles": [0.5]},
    )
    assert isinstance(one, Comparison)
    assert isinstance(several, Comparisons)

    content = as_json(one)
    ratio = content["what_if"]["sales"] / content["sales"]
    assert content["what_if"]["intervals"][0]["low"] == pytest.approx(content["intervals"][0]["low"] * ratio, rel=1e-5)
    total = as_json(several)["total"]
    changed = total["what_if"]
    assert changed["difference"] == pytest.approx(changed["sales"] - total["sales"], rel=1e-5)
    assert changed["ratio"] == pytest.approx(changed["sales"] / total["sales"], rel=1e-5)
    assert changed["quantiles"][0]["sales"] / total["quantiles"][0]["sales"] == pytest.approx(
        changed["ratio"], rel=1e-5
    )


@pytest.mark.parametrize("objective", ["median", "mean"])
def test_an_explanation_has_the_interval_and_adds_up_under_each_objective(
    calibrated: Forecaster, objective: str
) -> None:
    body = {"store": 4, "date": MONDAY, "levels": [80], "objective": objective}
    (forecast,) = ask(calibrated, body)
    (explained,) = calibrated.predict([parse_request(json.dumps(body, default=str).encode(), explain=True)])
    assert isinstance(forecast, Forecast)
    assert isinstance(explained, Explanation)

    assert (explained.sales, explained.intervals) == (forecast.sales, forecast.intervals)
    assert explained.objective == objective
    logs = sum(group.log for group in explained.groups)
    assert logs == pytest.approx(np.log(explained.sales / explained.baseline.sales), abs=1e-5)


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        ({"levels": [80]}, ["/levels"]),
        ({"quantiles": [0.5], "objective": "mean"}, ["/quantiles", "/objective"]),
        ({"objective": "rmspe"}, ["/objective"]),
    ],
)
@pytest.mark.parametrize("form", [{"store": 4, "date": MONDAY}, {"store": 4, "start": MONDAY, "days": 2}])
def test_a_model_without_calibration_rejects_what_needs_one(
    sensitive_forecaster: Forecaster, form: dict[str, Any], options: dict[str, Any], paths: list[str]
) -> None:
    rejected, accepted = ask(sensitive_forecaster, {**form, **options}, {**form, "objective": "median"})

    assert isinstance(rejected, Problem)
    assert rejected.type == "urn:shopcat:problem:no-calibration"
    assert [error.path for error in rejected.errors] == paths
    assert ask(sensitive_forecaster, {**form, **options}) == [rejected]
    assert isinstance(accepted, Forecast | Forecasts)
    if isinstance(accepted, Forecasts):
        assert accepted.total is not None
        assert accepted.total.objective == "median"
