"""benchmarks.scale.demand: days of requests, and the shapes that data of others have."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.scale.demand import BUSIEST, DAY_S, DAYS, HOUR_S, PROMOTION, baskets, burst, promotion, rates, rides


@pytest.mark.parametrize("day", DAYS)
def test_a_day_has_24_hours_around_its_mean(day: str) -> None:
    assert len(DAYS[day]) == 24
    assert np.mean(DAYS[day]) == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("day", DAYS)
def test_each_day_has_its_factor(day: str) -> None:
    rate = rates(day, 100, [1.0, 1.5])
    assert len(rate) == 2 * DAY_S
    middle = np.arange(24) * HOUR_S + HOUR_S // 2
    assert rate[middle] == pytest.approx(100 * np.array(DAYS[day]), rel=0.01)
    assert rate[DAY_S + middle] == pytest.approx(1.5 * rate[middle], rel=0.01)


def test_a_burst_rises_and_ends() -> None:
    rate = burst(np.full(1000, 10.0), start=100, factor=2, rise_s=60, length_s=300)
    assert rate[[0, 100, 130, 160, 460, 520, 999]] == pytest.approx([10, 10, 15, 20, 20, 10, 10])


def test_rides_are_those_of_working_days(tmp_path: Path) -> None:
    table = pd.DataFrame({"hr": [8, 9, 8], "workingday": [1, 1, 0], "bikers": [30, 10, 99]})
    table.to_csv(tmp_path / "rides.csv")
    assert (shape := rides(tmp_path / "rides.csv"))[8:10] == [18, 6]
    assert sum(shape) == 24


def test_a_basket_counts_once_in_its_local_hour(tmp_path: Path) -> None:
    times = pd.to_datetime(["2017-01-01 12:30", "2017-01-01 12:30", "2017-07-01 12:30"])
    pd.DataFrame({"basket_id": [1, 1, 2], "transaction_timestamp": times}).to_parquet(tmp_path / "baskets.parquet")
    shape = baskets(tmp_path / "baskets.parquet")
    assert (shape[7], shape[8]) == (12, 12)  # winter and summer


def test_the_factors_of_promotions_are_those_of_the_real_tables(rossmann: Path) -> None:
    assert promotion(rossmann / "train.csv") == (PROMOTION, BUSIEST)
