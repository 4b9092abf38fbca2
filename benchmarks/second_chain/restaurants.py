"""Synthetic table of restaurants in Japan: daily visitors, in the form of public reservation data.

The counts are small and over-dispersed, and days without visitors have no row. Half of the restaurants begin six months
after the others. Nothing in the table is measured or copied.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COUNTRY = "JP"
FIRST, LAST = np.datetime64("2016-01-01"), np.datetime64("2017-06-03")
CUTOFFS = ("2016-10-29", "2016-12-10", "2017-02-25", "2017-04-22")
"""Cutoffs of the windows. The second covers New Year, the last covers Golden Week; the six weeks after each exist."""

# Holidays of the two years, with the substitute of 2017-01-01.
HOLIDAYS = np.array(
    [
        *("2016-01-01", "2016-01-11", "2016-02-11", "2016-03-20", "2016-03-21", "2016-04-29", "2016-05-03"),
        *("2016-05-04", "2016-05-05", "2016-07-18", "2016-08-11", "2016-09-19", "2016-09-22", "2016-10-10"),
        *("2016-11-03", "2016-11-23", "2016-12-23", "2017-01-01", "2017-01-02", "2017-01-09", "2017-02-11"),
        *("2017-03-20", "2017-04-29", "2017-05-03", "2017-05-04", "2017-05-05"),
    ],
    dtype="datetime64[D]",
)
# Weekday factors by kind of restaurant, Monday first.
PROFILES = {
    "izakaya": (0.72, 0.80, 0.86, 0.90, 1.45, 1.40, 0.75),
    "family": (0.78, 0.78, 0.82, 0.82, 1.00, 1.45, 1.45),
    "lunch": (1.00, 1.02, 1.04, 1.02, 1.15, 0.85, 0.80),
    "cafe": (0.85, 0.85, 0.88, 0.88, 0.98, 1.30, 1.35),
}
SHARES = (0.4, 0.25, 0.15, 0.2)
# Factors of free days in Golden Week and at New Year, by kind.
FREE_DAYS = {"izakaya": 0.95, "family": 1.35, "lunch": 0.6, "cafe": 1.25}


def restaurants(stores: int = 800, seed: int = 0) -> pd.DataFrame:
    """Return the table: store_id, visit_date, visitors, in the order of stores and days.

    Args:
        stores: number of restaurants.
        seed: random seed; the same seed gives the same table.
    """
    rng = np.random.default_rng([seed, 1])
    ids = [f"air_{rng.bytes(8).hex()}" for _ in range(stores)]
    days = np.arange(FIRST, LAST + 1)
    tables = [_store(np.random.default_rng([seed, 2, index]), days) for index in range(stores)]
    frame = pd.concat(
        [table.assign(store_id=store) for store, table in zip(ids, tables, strict=True)], ignore_index=True
    )
    return frame[["store_id", "visit_date", "visitors"]]


def _store(rng: np.random.Generator, days: NDArray[np.datetime64]) -> pd.DataFrame:
    """Return the days with visitors of one restaurant."""
    kind = str(rng.choice([*PROFILES], p=SHARES))
    weekday = (days.astype(np.int64) + 3) % 7
    holiday = np.isin(days, HOLIDAYS)
    eve = np.isin(days + 1, HOLIDAYS)
    mean = _expected(rng, kind, days, weekday, holiday, eve)
    dispersion = 0.12 * np.exp(0.4 * rng.standard_normal())  # variance is mean + dispersion * mean ** 2
    visitors = rng.poisson(mean * rng.gamma(1 / dispersion, dispersion, len(days)))
    absurd = rng.random(len(days)) < 0.0005
    visitors = np.where(absurd, visitors * rng.integers(5, 20, len(days)), visitors)
    open_ = _open(rng, days, weekday, holiday)
    sold = open_ & (visitors > 0)
    return pd.DataFrame({"visit_date": days[sold].astype("datetime64[s]"), "visitors": visitors[sold]})


def _expected(
    rng: np.random.Generator,
    kind: str,
    days: NDArray[np.datetime64],
    weekday: NDArray[np.int64],
    holiday: NDArray[np.bool_],
    eve: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the expected visitors of each day, ``[day]``."""
    level = np.log(18) + 0.7 * rng.standard_normal()
    walk = np.cumsum(rng.normal(0, 0.012, len(days)))  # 0.08 in six weeks
    shift = np.zeros(len(days))
    if rng.random() < 0.15:
        shift[rng.integers(60, len(days)) :] = rng.normal(0, 0.35)
    profile = np.log(PROFILES[kind]) + rng.normal(0, 0.12, 7)
    # A holiday is like a Sunday, its eve like a Friday on most of the way.
    by_day = np.where(holiday & (weekday < 5), profile[6], profile[weekday])
    by_day = np.where(eve & ~holiday & (weekday < 4), 0.3 * by_day + 0.7 * profile[4], by_day)
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    date = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    season = np.array([-0.04, -0.08, 0.06, 0.0, 0.02, -0.03, 0.02, -0.03, -0.02, 0.0, 0.0, 0.14])[month - 1]
    party = np.where((month == 12) & (date >= 5) & (date <= 29), 0.12 if kind == "izakaya" else 0.0, 0.0)
    payday = np.where(((date >= 25) | (date <= 2)) & (weekday >= 3), 0.08, 0.0)
    free = ((month == 5) & (date >= 3) & (date <= 6)) | ((month == 1) & (date <= 4)) | ((month == 12) & (date >= 30))
    free |= (month == 8) & (date >= 11) & (date <= 16)
    weather = np.repeat(rng.normal(0, 0.06, len(days) // 3 + 1), 3)[: len(days)]
    log = level + walk + shift + by_day + season + party + payday + weather + free * np.log(FREE_DAYS[kind])
    return np.asarray(np.exp(log))


def _open(
    rng: np.random.Generator, days: NDArray[np.datetime64], weekday: NDArray[np.int64], holiday: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the days on which a restaurant is open, ``[day]``."""
    open_ = np.ones(len(days), dtype=np.bool_)
    closing = rng.random()
    if closing < 0.3:
        open_ &= weekday != 0
        open_ |= (weekday == 0) & holiday & (rng.random() < 0.6)  # many open on a Monday that is a holiday
    elif closing < 0.55:
        open_ &= weekday != 6
    elif closing < 0.65:
        open_ &= weekday != rng.integers(1, 4)
    if rng.random() < 0.25:
        open_ &= ~holiday
    if rng.random() < 0.25:  # every other Tuesday
        open_ &= ~((weekday == 1) & (days.astype(np.int64) // 7 % 2 == 0))
    open_ &= rng.random(len(days)) > rng.choice([0.01, 0.04, 0.1])
    date = days.astype("datetime64[D]").astype(str)
    year_end = np.array([text[5:] in ("12-31", "01-01", "01-02", "01-03") for text in date])
    if rng.random() < 0.8:
        open_ &= ~year_end
    if rng.random() < 0.1:  # a break of one to three weeks
        start = rng.integers(30, len(days) - 30)
        open_[start : start + rng.integers(7, 22)] = False
    begin = 0 if rng.random() < 0.5 else 182
    if rng.random() < 0.05:
        begin = len(days) - int(rng.integers(50, 150))
    open_[:begin] = False
    if rng.random() < 0.04:
        open_[len(days) - int(rng.integers(30, 200)) :] = False
    return open_
