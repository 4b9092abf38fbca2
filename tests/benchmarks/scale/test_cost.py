"""benchmarks.scale.cost: costs from measured figures, and the page that has them."""

import json
from pathlib import Path

import pytest

from benchmarks.growth.curve import Curve
from benchmarks.scale.autoscaling import SCALED_OBJECT, demand, pod_of
from benchmarks.scale.cost import PAGE, at, costs, first_number, table, written
from benchmarks.scale.demand import DAY_S, PROMOTION
from benchmarks.scale.rules import Rule

RESULTS = {"Files": {"results": [{"what": "file to file", "figures": "33,423 to 4,148 rows/CPU s"}]}}


def test_a_figure_is_the_first_number_of_its_result() -> None:
    assert first_number(RESULTS, "Files", "file to file") == 33423


def test_a_larger_size_costs_by_the_exponent() -> None:
    linear = Curve("cost", "size", [1000, 2000, 4000], [1.0, 2.0, 4.0], 1)
    assert at(linear, 8000) == pytest.approx(8)
    flat = Curve("cost", "size", [1000, 2000, 4000], [2.0, 2.0, 2.0], 0)
    assert at(flat, 8000) == pytest.approx(2)


def test_the_costs_come_from_the_rates(tmp_path: Path) -> None:
    point = {"answered": 50.0, "cores": 2.0}
    stores = [
        {"cost": cost, "size": "stores", "sizes": [1, 10, 100], "costs": [1, 10, 100], "expected": 1}
        for cost in ("load", "largest")
    ]
    files = {
        "benchmarks": {"Forecasts of files": {"results": [{"what": "file to file", "figures": "100,000 rows/CPU s"}]}},
        "growth": {"stores": stores},
        "scale": {
            "bulk": {"rows_per_cpu_second": {"CSV": [300_000, 200_000]}},
            **{name: {"points": [point]} for name in ("pets, torchserve", "sales, python", "sales, torchserve")},
        },
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    by_load = {cost.load: cost.cost for cost in costs(tmp_path, tmp_path / "scale.json")}
    assert by_load["1e9 rows, each of another store and day"].startswith("2.8 core-hours")
    assert by_load["1e9 rows by a job, CSV, many of the same store and day"].startswith("1.4 core-hours")
    assert by_load["1e6 photos a day"].startswith("11.1 core-hours")
    assert by_load["10,000 forecasts of a day a second, python"] == "400.0 cores in use, of 666.7"
    assert by_load["100,000 stores"].startswith("100000 CPU s")


def test_the_page_has_the_costs_of_the_measured_figures() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, table(costs())) == page


def test_the_shipped_rule_can_be_simulated() -> None:
    rule = Rule.of_scaled_object(SCALED_OBJECT)
    assert {trigger.metric for trigger in rule.triggers} == {"busy", "cores", "rejections"}


@pytest.mark.parametrize("service", ["pets, torchserve", "sales, torchserve", "sales, python"])
def test_a_measured_pod_uses_no_more_than_its_cores(service: str) -> None:
    pod = pod_of(service)
    assert list(pod.answered) == sorted(pod.answered)
    assert max(pod.cores) == pytest.approx(2)
    assert all(busy < cores for busy, cores in zip(pod.busy, pod.cores, strict=True))


def test_the_peak_is_that_of_the_promotion_without_the_message() -> None:
    rate = demand("rides", 400)
    days = rate.reshape(3, DAY_S).max(1)
    assert days[1] == pytest.approx(400, rel=0.02)
    assert days[1] / days[0] == pytest.approx(PROMOTION, rel=0.02)
