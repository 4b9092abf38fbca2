"""``GET /feedback/NAME``: figures from true values, compared with sums by hand and with the training's functions."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from sales.forecaster import Forecaster
from tests.console.feedback.conftest import Console, Send, photo_receipt, receipt_of
from training.sales.metrics import pinball as training_pinball
from training.sales.metrics import wape


def figure(report: Any, group: str = "all", value: str = "", source: str = "receipt") -> Any:
    """Return the figures of a group of forecasts."""
    wanted = group, value, source
    (found,) = [row for row in report["figures"] if (row["group"], row["value"], row["source"]) == wanted]
    return found


def test_figures_of_forecasts_are_those_of_the_training(
    demo: Forecaster, key: bytes, send: Send, console: Console
) -> None:
    rng = np.random.default_rng(3)
    forecasts, truths = [], []
    for store in range(1, 13):
        receipt, answer = receipt_of(demo, key, {"store": store, "start": "2015-08-03", "days": 14})
        forecast = np.array([item["sales"] for item in answer["items"]])
        truth = np.round(forecast * rng.lognormal(0, 0.1, 14), 2)
        send("sales", {"receipt": receipt, "sales": truth.tolist()})
        forecasts.append(forecast)
        truths.append(truth)
    forecast, truth = np.array(forecasts), np.array(truths)
    report = console.get("/feedback/sales").json()
    found, sold = figure(report), truth > 0
    assert found["wape"]["point"] == pytest.approx(wape(truth[sold], forecast[sold]), abs=1e-6)
    assert found["bias"]["point"] == pytest.approx(forecast[sold].sum() / truth[sold].sum() - 1, abs=1e-6)
    assert found["wape"]["low"] < found["wape"]["point"] < found["wape"]["high"]
    assert found["wape"]["answers"] == sold.sum()
    second = figure(report, "horizon", "2")
    days = np.s_[:, 5:12]  # 2015-08-08 to 08-14: the 8th to the 14th day after the cutoff
    week = sold[days]
    assert second["wape"]["answers"] == week.sum()
    assert second["bias"]["point"] == pytest.approx(forecast[days][week].sum() / truth[days][week].sum() - 1, abs=1e-6)
    by_type = [row for row in report["figures"] if row["group"] == "store_type"]
    assert sum(row["wape"]["answers"] for row in by_type) == sold.sum()
    assert report["card"]["wape"] == pytest.approx(0.0838, abs=1e-4)
    assert report["answers"] is None


def test_coverage_and_pinball_are_those_of_the_served_intervals(
    demo: Forecaster, key: bytes, send: Send, console: Console
) -> None:
    """Sales within the 90 percent interval alone, on the ends of the 80 percent interval, and outside of both."""
    probabilities = [0.05, 0.1, 0.5, 0.9, 0.95]
    rows, truths = [], []
    for store in range(1, 13):
        body = {"store": store, "start": "2015-08-03", "days": 14, "quantiles": probabilities}
        receipt, answer = receipt_of(demo, key, body)
        quantiles = np.array([[entry["sales"] for entry in item["quantiles"]] for item in answer["items"]])
        truth = np.round(np.array([*[0.99, 1.0], *[1.2] * 4, *[1.0] * 8]) * quantiles[:, 2], 2)
        send("sales", {"receipt": receipt, "sales": truth.tolist()})
        rows.append(quantiles)
        truths.append(truth)
    quantiles, truth = np.concatenate(rows), np.concatenate(truths)
    quantiles, truth = quantiles[truth > 0], truth[truth > 0]
    found = figure(console.get("/feedback/sales").json())
    for level, low, high in ((80, 1, 3), (90, 0, 4)):
        inside = (quantiles[:, low] <= truth) & (truth <= quantiles[:, high])
        assert 0.5 < inside.mean() < 1
        assert found[f"coverage_{level}"]["point"] == pytest.approx(inside.mean(), abs=1e-6)
        assert found[f"coverage_{level}"]["low"] < inside.mean() < found[f"coverage_{level}"]["high"]
    expected = training_pinball(truth, quantiles, probabilities)
    assert found["pinball"]["point"] == pytest.approx(expected, rel=1e-4)


def test_recomputed_forecasts_are_figures_of_their_own(send: Send, console: Console) -> None:
    send("sales", *({"store": store, "date": "2015-08-04", "sales": 5000} for store in range(1, 13)))
    report = console.get("/feedback/sales").json()
    assert {row["source"] for row in report["figures"]} == {"recomputed"}
    found = figure(report, source="recomputed")
    assert (found["wape"]["answers"], found["wape"]["low"]) == (12, None)  # one day tells nothing about others


def test_the_accuracy_of_photos_is_that_of_what_reviewers_saw(key: bytes, send: Send, console: Console) -> None:
    """100 of 5,000 accepted photos, 5 of them wrong; all 400 below the threshold, 100 of them wrong."""
    checked = [(place >= 5, "random_check") for place in range(100)]
    doubted = [(place >= 100, "low_probability") for place in range(400)]
    entries = [
        {"receipt": photo_receipt(key, reason=reason), "breed": "Bengal" if right else "Birman", "why": "reviewer"}
        for right, reason in [*checked, *doubted]
    ]
    send("pets", *entries, roles="predict,review")
    send("pets", *({"receipt": photo_receipt(key), "breed": "Birman"} for _ in range(50)))  # owners complain
    report = console.get("/feedback/pets").json()
    accuracy = {row["estimate"]: row["accuracy"] for row in report["figures"] if row["group"] == "all"}
    expected = stats.binomtest(95, 100).proportion_ci(method="wilson")
    assert accuracy["accepted"]["point"] == pytest.approx(0.95)
    assert accuracy["accepted"]["low"] == pytest.approx(expected.low, abs=2e-3)
    assert accuracy["reviewed"]["point"] == pytest.approx(0.75)
    assert accuracy["all"]["point"] == pytest.approx((0.95 * 5000 + 0.75 * 400) / 5400, abs=1e-6)
    assert accuracy["all"]["low"] < accuracy["all"]["point"] < accuracy["all"]["high"]
    counts = {(row["why"], row["truth"]): row["number"] for row in report["reports"]}
    assert counts == {("owner", "breed"): 50, ("reviewer", "breed"): 500}
    assert report["truths"] == 550


def test_without_a_random_share_nothing_is_said_about_accepted_photos(key: bytes, send: Send, console: Console) -> None:
    receipts = [photo_receipt(key, reason="low_probability", share=0.0) for _ in range(40)]
    entries = [{"receipt": receipt, "breed": "Bengal", "why": "reviewer"} for receipt in receipts]
    send("pets", *entries, roles="review,predict")
    accuracy = {row["estimate"]: row["accuracy"] for row in console.get("/feedback/pets").json()["figures"]}
    assert accuracy["accepted"]["point"] is None
    assert accuracy["all"]["point"] is None


@pytest.mark.parametrize(("query", "status"), [("days=7", 200), ("days=0", 422), ("days=x", 422), ("days=4000", 422)])
def test_a_report_has_a_number_of_days(console: Console, query: str, status: int) -> None:
    assert console.get(f"/feedback/sales?{query}").status_code == status


def test_a_report_without_truths_is_empty(console: Console) -> None:
    assert console.get("/feedback/sales").json()["figures"] == []
    assert console.get("/feedback/none").status_code == 404
