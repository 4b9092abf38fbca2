"""Metrics of feedback: what the service's exporter reads from the console."""

import datetime as dt
import re
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sales.forecaster import Forecaster
from tests.console.feedback.conftest import Console, Send, photo_receipt, receipt_of
from tests.deploy.expressions import selectors


def samples(console: Console) -> dict[tuple[str, ...], float]:
    """Return the samples of feedback by name and labels' values."""
    text = console.get("/metrics").text
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_true_values_are_metrics_with_bounds(demo: Forecaster, key: bytes, send: Send, console: Console) -> None:
    for store in range(1, 8):
        receipt, answer = receipt_of(demo, key, {"store": store, "start": "2015-08-03", "days": 14})
        send("sales", {"receipt": receipt, "sales": [item["sales"] * 1.1 for item in answer["items"]]})
    send("pets", {"receipt": photo_receipt(key), "breed": "Birman"})
    found = samples(console)
    assert found["shopcat_feedback_total", "sales", "counted", "receipt"] == 98
    assert found["shopcat_feedback_total", "pets", "counted", "receipt"] == 1
    error = [
        found["shopcat_forecast_error", bound, "all", "wape", "sales", "receipt"] for bound in ("low", "point", "high")
    ]
    assert error == sorted(error)
    assert abs(error[1] - 0.1 / 1.1) < 1e-3
    assert ("shopcat_forecast_error", "point", "2", "bias", "sales", "receipt") in found
    assert found["shopcat_forecast_coverage", "point", "all", "80", "sales", "receipt"] > 0
    assert found["shopcat_card", "wape", "sales"] > 0
    assert found["shopcat_card", "accuracy", "pets"] > 0.9
    assert not any(name == "shopcat_accuracy" for name, *_ in found)  # owners' words are no estimate


def test_the_share_of_answers_with_a_known_truth_needs_their_number(
    demo: Forecaster, key: bytes, send: Send, console: Any
) -> None:
    receipt, answer = receipt_of(demo, key)
    send("sales", {"receipt": receipt, "sales": [item["sales"] for item in answer["items"]]})
    assert not any(name == "shopcat_feedback_share" for name, *_ in samples(console))


def test_deleted_values_stay_counted(key: bytes, send: Send, console: Console) -> None:
    (result,) = send("pets", {"receipt": photo_receipt(key), "breed": "Bengal"})["results"]
    assert console.delete(f"/feedback/{result['id']}").status_code == 204
    assert samples(console)["shopcat_feedback_total", "pets", "counted", "receipt"] == 1


def test_alerts_and_dashboard_select_metrics_that_exist(demo: Forecaster, key: bytes, send: Send, console: Any) -> None:
    """Each selector about true values matches a sample; a misspelt one would give an alert that never fires."""
    for store in range(1, 8):
        receipt, answer = receipt_of(demo, key, {"store": store, "start": "2015-08-03", "days": 14})
        send("sales", {"receipt": receipt, "sales": [item["sales"] * 1.1 for item in answer["items"]]})
    reasons: list[Any] = ["random_check", "low_probability"] * 40
    entries = [
        {"receipt": photo_receipt(key, reason=reason), "breed": "Bengal", "why": "reviewer"} for reason in reasons
    ]
    send("pets", *entries, roles="predict,review")
    with console.app.state.database.transaction() as connection:
        day = str(dt.datetime.now(dt.UTC).date())
        connection.execute("INSERT INTO feedback_answers (model, day, number) VALUES ('sales', ?, 1000)", (day,))
    families = [*text_string_to_metric_families(console.get("/metrics").text)]
    found = [sample for family in families for sample in family.samples]
    ours = [
        selector for selector in selectors() if selector.startswith(("shopcat_f", "shopcat_accuracy", "shopcat_card"))
    ]
    ours = [selector for selector in ours if not selector.startswith(("shopcat_forecasts", "shopcat_forecast_answers"))]
    assert len(ours) >= 10
    for selector in ours:
        name, _, matchers = selector.partition("{")
        wanted = re.findall(r'(\w+)=(~?)"([^"]*)"', matchers)
        assert any(
            sample.name == name
            and all(
                re.fullmatch(value, sample.labels[label]) if is_pattern else sample.labels[label] == value
                for label, is_pattern, value in wanted
            )
            for sample in found
        ), selector
