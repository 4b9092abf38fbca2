"""Synthetic table of grocery stores in Türkiye: daily turnover in lira, with prices that rise by a fifth a year.

The stores open on all days but the first of the two feasts. Ramadan and the feasts move by eleven days a year.
Promotions and prices change the turnover, and the table has neither. Nothing in it is measured or copied.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COUNTRY = "TR"
FIRST, LAST = np.datetime64("2016-07-16"), np.datetime64("2019-01-12")
CUTOFFS = ("2018-01-27", "2018-05-12", "2018-09-22", "2018-12-01")
"""Cutoffs of the windows. The second covers Ramadan and its feast, the last covers New Year."""

RAMADAN = np.array(["2016-06-06", "2017-05-27", "2018-05-16"], dtype="datetime64[D]")  # first days
FEASTS = np.array(["2016-07-05", "2017-06-25", "2018-06-15"], dtype="datetime64[D]")  # after Ramadan, three days
SACRIFICES = np.array(["2016-09-12", "2017-09-01", "2018-08-21"], dtype="datetime64[D]")  # four days
WEEKDAY = (0.90, 0.88, 0.92, 0.95, 1.08, 1.22, 1.10)  # Monday first


def groceries(stores: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return the table: branch, day, turnover, in the order of days and stores.

    Args:
        stores: number of stores.
        seed: random seed; the same seed gives the same table.
    """
    days = np.arange(FIRST, LAST + 1)
    chain = _chain(np.random.default_rng([seed, 3]), days)
    tables = [
        _store(np.random.default_rng([seed, 4, index]), days, chain).assign(branch=f"{index % 81 + 1:02d}-{index:04d}")
        for index in range(stores)
    ]
    frame = pd.concat(tables, ignore_index=True).sort_values(["day", "branch"], ignore_index=True)
    return frame[["branch", "day", "turnover"]]


def _chain(rng: np.random.Generator, days: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return the logarithm of what moves all stores alike, ``[day]``."""
    years = np.arange(len(days)) / 365.25
    prices = 0.18 * years + 0.06 / (1 + np.exp(-(years - 2.15) * 12))  # a jump of prices in August 2018
    weekday = (days.astype(np.int64) + 3) % 7
    date = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    season = 0.05 * np.cos(2 * np.pi * (years + 0.54 - 1))
    paydays = np.where((date <= 4) | ((date >= 15) & (date <= 17)), 0.07, 0.0)
    log = prices + season + paydays + np.log(WEEKDAY)[weekday]
    for start in RAMADAN:
        since = (days - start).astype(np.int64)
        log += np.where((since >= -7) & (since < 30), 0.08 + 0.004 * np.maximum(since, 0), 0.0)
    for feast, length, lead in ((FEASTS, 3, 5), (SACRIFICES, 4, 4)):
        for start in feast:
            since = (days - start).astype(np.int64)
            log += np.where((since < 0) & (since >= -lead), 0.08 * (lead + 1 + since), 0.0)
            log += np.where((since >= 0) & (since < length), -0.45, 0.0)
    text = days.astype(str)
    log += np.array([0.35 if day[5:] == "12-31" else -0.3 if day[5:] == "01-01" else 0.0 for day in text])
    start = 5
    while start < len(days):  # a promotion of four days, about every third week, nowhere in the table
        log[start : start + 4] += rng.uniform(0.05, 0.25)
        start += int(rng.integers(14, 30))
    return np.asarray(log + rng.normal(0, 0.02, len(days)))


def _store(rng: np.random.Generator, days: NDArray[np.datetime64], chain: NDArray[np.float64]) -> pd.DataFrame:
    """Return the days with turnover of one store."""
    weekday = (days.astype(np.int64) + 3) % 7
    log = np.log(180_000) + 0.5 * rng.standard_normal() + chain + rng.normal(0, 0.06, 7)[weekday]
    log += np.arange(len(days)) / 365.25 * rng.normal(0, 0.08) + np.cumsum(rng.normal(0, 0.004, len(days)))
    for _ in range(int(rng.poisson(0.7))):  # a competitor opens or closes
        log[rng.integers(30, len(days)) :] += rng.choice([-0.22, -0.1, 0.12])
    start = int(rng.integers(0, 40))
    while start < len(days):  # the store's own promotions
        log[start : start + 7] += rng.uniform(0.0, 0.15)
        start += int(rng.integers(20, 60))
    open_ = np.ones(len(days), dtype=np.bool_)
    if rng.random() < 0.6:
        open_ &= ~np.isin(days, np.concatenate([FEASTS, SACRIFICES]))
    if rng.random() < 0.12:  # a refurbishment, after which the store sells more
        start, length = int(rng.integers(60, len(days) - 60)), int(rng.integers(14, 35))
        open_[start : start + length] = False
        log[start + length :] += 0.12
    if rng.random() < 0.15:
        open_[: int(rng.integers(100, 800))] = False
    turnover = np.round(np.exp(log + rng.normal(0, 0.09, len(days))), 2)
    return pd.DataFrame({"day": days[open_].astype("datetime64[s]"), "turnover": turnover[open_]})
