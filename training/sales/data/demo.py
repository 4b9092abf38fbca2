"""Synthetic tables of a chain of shops, in the format of the real files and with known effects.

They serve users without data of their own, and tests: a good model recovers `EFFECTS`. Nothing in them is measured or
copied. The folder states so in README.txt for people, and in a marker file for programs (`is_synthetic`).

Sales of an open day are the product of the effects below, the store's level and a noise of 9 %, which no model can
predict. Last year's same weekday is a poor forecast: the fortnightly promotion slips by a week each year, the chain
grows, and competitors open.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.folder import new_folder
from sales.calendar import EPOCH, date_of, iso_monday
from training.sales.data.demo_files import (
    CODES,
    DAY,
    DAYS,
    FIRST,
    INTERVALS,
    TREND_WEEKS,
    WEEKDAY,
    Flags,
    Floats,
    Ints,
    Plan,
    Shops,
    write_about,
    write_days,
    write_stores,
    write_trend,
    write_weather,
)
from training.sales.data.values import MONTHS

EASTER = [np.datetime64(day) for day in ("2013-03-31", "2014-04-20", "2015-04-05")]
# States with shops, the states with the most shops first.
SHOPS_IN = ("NW", "BY", "SH", "HE", "BE", "SN", "BW", "ST", "RP", "TH", "HH", "HB,NI")


@dataclass(frozen=True)
class Effects:
    """True effects in the synthetic tables: factors on the sales of an open day, unless another unit is named."""

    weekday: tuple[float, ...] = (1.16, 1.02, 0.96, 0.97, 1.04, 1.0, 1.2)  # Monday first
    promo: Mapping[str, float] = field(default_factory=lambda: {"a": 1.42, "b": 1.18, "c": 1.38, "d": 1.34})  # by type
    promo2: float = 1.06  # in the months in which a round of the continuing promotion starts
    store_type: Mapping[str, float] = field(default_factory=lambda: {"a": 1.0, "b": 1.55, "c": 1.02, "d": 0.98})
    assortment: Mapping[str, float] = field(default_factory=lambda: {"a": 1.0, "b": 1.15, "c": 1.08})
    state_holiday: Mapping[str, float] = field(default_factory=lambda: {"a": 1.2, "b": 1.3, "c": 1.25})  # if open
    before_holiday: float = 1.12  # the day before a state holiday
    school_holiday: float = 1.05
    summer: float = 0.95  # at the end of July; its inverse at the end of January, a cosine in between
    christmas: float = 1.5  # on 24 December, growing evenly in the logarithm from 1 December on
    rain: float = 0.95  # a day whose weather events include rain
    heat: float = 0.992  # for each degree Celsius of the day's maximum above 22
    trend: float = 0.4  # exponent of the search trend of the store's state over 70
    growth: float = 1.05  # a year, even for all stores
    competition: float = 0.75  # a competitor next door, from its opening on; fades with exp(-distance / 3 km)
    reopening: float = 1.15  # the four weeks after a refurbishment
    level: float = 0.3  # standard deviation of the logarithm of the stores' levels
    noise: float = 0.09  # standard deviation of the logarithm of a day's noise


EFFECTS = Effects()


def write_demo(folder: Path, *, stores: int = 40, seed: int = 0) -> None:
    """Write the seven CSV files, README.txt and the marker atomically; the same seed gives the same bytes.

    Args:
        folder: folder to create.
        stores: number of stores. From 12 on, every state with shops has one. From 20 on, there are stores of every
            unusual kind: refurbished, without half a year, open on Sundays, without a known competitor.
        seed: random seed of all tables, 0 or more.

    Raises:
        ValueError: if ``stores`` is not between 1 and 5,000.
        FolderError: if the folder exists and is not empty.
    """
    if not 1 <= stores <= 5000:
        raise ValueError(f"stores is {stores}; between 1 and 5,000 are possible")
    about, calendar, weather, trend, sales = (np.random.default_rng([seed, part]) for part in range(5))
    shops = _draw_shops(about, stores)
    plan = _draw_plan(calendar, shops)
    sky = _weather(weather)
    interest = _trend(trend)
    sold = _sales(sales, shops, plan, sky, interest)
    customers = _customers(sales, sold)
    with new_folder(folder) as part:
        write_days(part, shops, plan, sold, customers)
        write_stores(part, shops)
        write_weather(part, sky)
        write_trend(part, interest)
        write_about(part, stores, seed, asdict(EFFECTS))


def _draw_shops(rng: np.random.Generator, n: int) -> Shops:
    """Draw the attributes of ``n`` stores."""
    states = np.array([CODES.index(code) for code in SHOPS_IN])
    size = 1 / np.arange(2, len(states) + 2)
    more = rng.choice(states, max(n - len(states), 0), p=size / size.sum())
    odd = rng.permutation(n)  # each unusual kind gets a share of the stores, and no store has two
    sundays, gap, refurbished, alone = (np.zeros(n, bool) for _ in range(4))
    for flags, low, high in ((gap, 0, 0.16), (refurbished, 0.16, 0.28), (sundays, 0.28, 0.34), (alone, 0.34, 0.4)):
        flags[odd[round(low * n) : round(high * n)]] = True
    unknown = alone | (rng.random(n) < 0.3)  # the date of the competitor's opening is often not known
    kind = np.where(sundays, "b", rng.choice(["a", "c", "d"], n, p=[0.55, 0.15, 0.3]))
    recent = rng.random(n) < 0.35  # the competitor opened in the time of the tables
    opened = np.where(recent, rng.integers(2013 * 12 + 3, 2015 * 12 + 4, n), rng.integers(1998 * 12, 2013 * 12, n))
    start = rng.integers(60, 780, n)
    closure = np.stack([start, start + 7 * rng.integers(3, 9, n)], axis=1)
    return Shops(
        state=rng.permutation(np.concatenate([states, more])[:n]),
        kind=kind,
        assortment=np.where(sundays, "b", rng.choice(["a", "c"], n)),
        level=6200 * np.exp(EFFECTS.level * rng.standard_normal(n)),
        distance=np.where(alone, np.nan, 10 * np.round(np.exp(rng.normal(5.4, 1.2, n))) + 10),
        month=np.where(unknown, np.nan, opened % 12 + 1),
        year=np.where(unknown, np.nan, opened // 12),
        promo2=rng.random(n) < 0.5,
        since_week=rng.integers(1, 51, n),
        since_year=rng.integers(2009, 2015, n),
        interval=rng.choice(3, n, p=[0.6, 0.2, 0.2]),
        sundays=sundays,
        gap=gap,
        refurbished=np.where(refurbished[:, None], closure, -1),
    )


def _draw_plan(rng: np.random.Generator, shops: Shops) -> Plan:
    """Draw the plan: opening days, promotions and holidays."""
    holiday = _state_holidays()[shops.state]
    school = (_school_holidays(rng) & (WEEKDAY < 5))[shops.state]
    opens = shops.sundays[:, None] | ((WEEKDAY < 6) & (holiday == "0"))
    day, (shut, again) = np.arange(len(DAYS)), shops.refurbished.T[:, :, None]
    opens &= ~((day >= shut) & (day < again))
    # Promo on the workdays of every other week. Early each year the rhythm slips by a week, so that from then on
    # a week with a promo had none the year before.
    monday = DAYS - WEEKDAY * DAY
    week = (monday - monday[0]).astype(int) // 7
    for year in ("2013", "2014", "2015"):
        week = week + (monday >= np.datetime64(f"{year}-01-07") + 7 * int(rng.integers(1, 10)) * DAY)
    promo = np.broadcast_to((week % 2 == 1) & (WEEKDAY < 5), opens.shape)
    return Plan(opens, promo, holiday, school)


def _state_holidays() -> NDArray[np.str_]:
    """Return the holidays of each state, ``[state, day]`` of 0, a, b, c: the real calendar of 2013 to 2015."""
    holiday = np.full((len(CODES), len(DAYS)), "0")

    def mark(day: Any, code: str, *states: str) -> None:
        for state in states or CODES:
            holiday[CODES.index(state), np.datetime64(day, "D") == DAYS] = code

    for easter in EASTER:
        year = str(easter)[:4]
        for day in ("01-01", "05-01", "10-03"):
            mark(f"{year}-{day}", "a")
        mark(f"{year}-01-06", "a", "BW", "BY", "ST")
        mark(f"{year}-08-15", "a", "SL", "BY")
        mark(f"{year}-10-31", "a", "BB", "MV", "SN", "ST", "TH")
        mark(f"{year}-11-01", "a", "BW", "BY", "NW", "RP", "SL")
        for after in (39, 50):  # Ascension, Whit Monday
            mark(easter + after * DAY, "a")
        mark(easter + 60 * DAY, "a", "BW", "BY", "HE", "NW", "RP", "SL")  # Corpus Christi
        for after in (-2, 1):
            mark(easter + after * DAY, "b")
        for day in ("12-25", "12-26"):
            mark(f"{year}-{day}", "c")
    return holiday


def _school_holidays(rng: np.random.Generator) -> Flags:
    """Draw the school holidays, ``[state, day]``: Easter, summer, autumn and Christmas, on other days in each state."""
    school = np.zeros((len(CODES), len(DAYS)), dtype=bool)
    for state in school:
        spans = [(np.datetime64("2012-12-22"), 15)]
        for easter in EASTER:
            year = str(easter)[:4]
            spans.append((easter - int(rng.integers(8, 14)) * DAY, 14))
            spans.append((np.datetime64(f"{year}-06-20") + int(rng.integers(0, 40)) * DAY, 42))
            spans.append((np.datetime64(f"{year}-10-03") + int(rng.integers(0, 20)) * DAY, 12))
            spans.append((np.datetime64(f"{year}-12-22"), 15))
        for first, days in spans:
            state |= (first <= DAYS) & (first + days * DAY > DAYS)
    return school


def _wander(rng: np.random.Generator, series: int, steps: int, stay: float) -> Floats:
    """Draw AR(1) series with the coefficient ``stay``: ``[series, step]``, each value of mean 0 and variance 1."""
    walk = rng.standard_normal((series, steps))
    for step in range(1, steps):
        walk[:, step] = stay * walk[:, step - 1] + np.sqrt(1 - stay**2) * walk[:, step]
    return walk


def _weather(rng: np.random.Generator) -> dict[str, Floats | NDArray[np.str_]]:
    """Draw the columns of weather.csv, ``[state, day]``: a part common to all states, a part of each, and gaps."""
    shape = len(CODES), len(DAYS)

    def both(stay: float) -> Floats:
        return 0.9 * _wander(rng, 1, shape[1], stay) + 0.45 * _wander(rng, shape[0], shape[1], stay)

    turn = 2 * np.pi * ((DAYS - DAYS.astype("datetime64[Y]")).astype(int) - 20) / 365.25
    mean = 10 - 9 * np.cos(turn) + 3.5 * both(0.8) + rng.normal(0, 0.7, (shape[0], 1))
    spread, wet, press, wind = 4.5 - 1.5 * np.cos(turn) + both(0.3), both(0.5), both(0.85), np.exp(0.45 * both(0.5))
    low, high = mean - np.abs(spread), mean + np.abs(spread)
    humid = np.clip(76 + 8 * np.cos(turn) + 11 * wet, 30, 100)
    dew = mean - (100 - humid) / 5
    rain = wet > 0.2
    fall = np.where(rain & (wet > 0.6), 0.25 * np.round(8 * (wet - 0.6) ** 2 * rng.exponential(1.2, shape)), 0.0)
    seen = np.clip(16 - 5 * wet + rng.normal(0, 2, shape), 1, 31)
    sea = 1015 + 8 * press - 2 * wet
    happened = {
        "Fog": (humid > 86) & (wind < 1) & (rng.random(shape) < 0.6),
        "Rain": rain & (high > 1),
        "Snow": rain & (low < 0.5) & (rng.random(shape) < 0.7),
        "Hail": rain & (rng.random(shape) < 0.01),
        "Thunderstorm": rain & (high > 22) & (rng.random(shape) < 0.6),
    }
    events = np.full(shape, "", dtype="<U40")
    for name, when in happened.items():
        glue = np.where(when & (events != ""), "-", "")
        events = np.char.add(np.char.add(events, glue), np.where(when, name, ""))
    blind, cloudless = rng.random(shape) < 0.024, rng.random(shape) < 0.074
    gust = np.where((wind > 1.3) & (rng.random(shape) < 0.85), 21 + 22 * wind, np.nan)
    columns: dict[str, Floats] = {
        "Max_TemperatureC": high,
        "Mean_TemperatureC": mean,
        "Min_TemperatureC": low,
        "Dew_PointC": dew + 2.5,
        "MeanDew_PointC": dew,
        "Min_DewpointC": dew - 2.5,
        "Max_Humidity": np.minimum(humid + 18, 100),
        "Mean_Humidity": humid,
        "Min_Humidity": humid * 0.66,
        "Max_Sea_Level_PressurehPa": sea + 3,
        "Mean_Sea_Level_PressurehPa": sea,
        "Min_Sea_Level_PressurehPa": sea - 3,
        "Max_VisibilityKm": np.where(blind, np.nan, np.minimum(seen + 12, 31)),
        "Mean_VisibilityKm": np.where(blind, np.nan, seen),
        "Min_VisibilitykM": np.where(blind, np.nan, seen / 2),
        "Max_Wind_SpeedKm_h": 21 * wind,
        "Mean_Wind_SpeedKm_h": 11 * wind,
        "Max_Gust_SpeedKm_h": gust,
        "Precipitationmm": fall,
        "CloudCover": np.where(cloudless, np.nan, np.clip(5.5 + 1.6 * wet, 0, 8)),
    }
    rounded = {name: values if name == "Precipitationmm" else np.round(values) for name, values in columns.items()}
    return {**rounded, "Events": events, "WindDirDegrees": rng.integers(-1, 361, shape).astype(float)}


def _trend(rng: np.random.Generator) -> Floats:
    """Draw the search trend, ``[state, week]``: whole numbers up to 100."""
    weeks = len(TREND_WEEKS)
    swing = 0.1 * _wander(rng, 1, weeks, 0.95) + 0.08 * _wander(rng, len(CODES), weeks, 0.95)
    return np.clip(np.round(70 * np.exp(swing)), 1, 100)


def _sales(rng: np.random.Generator, shops: Shops, plan: Plan, sky: Mapping[str, Any], interest: Floats) -> Ints:
    """Draw the sales of each store and day, ``[store, day]``; 0 where the store is closed."""
    truth, day = EFFECTS, np.arange(len(DAYS))
    years = (DAYS - FIRST).astype(int) / 365.25
    months = DAYS.astype("datetime64[M]")
    december, before = months.astype(np.int64) % 12 == 11, (DAYS - months).astype(int)  # days of the month so far

    def of_kind(effect: Mapping[str, float]) -> Floats:
        return np.array([effect[kind] for kind in shops.kind])[:, None]

    sales = shops.level[:, None] * of_kind(truth.store_type) * np.array(truth.weekday)[WEEKDAY]
    sales *= np.array([truth.assortment[size] for size in shops.assortment])[:, None]
    sales *= np.where(plan.promo, of_kind(truth.promo), 1)
    sales *= np.where(plan.school, truth.school_holiday, 1)
    for code, factor in truth.state_holiday.items():
        sales *= np.where(plan.holiday == code, factor, 1)
    tomorrow = np.pad(plan.holiday[:, 1:] != "0", ((0, 0), (0, 1)))
    sales *= np.where(tomorrow, truth.before_holiday, 1)
    sales *= truth.summer ** np.cos(2 * np.pi * (years - 0.575))
    sales *= np.where(december & (before < 24), truth.christmas ** ((before + 1) / 24), 1)
    sales *= truth.growth**years
    rainy = np.char.find(sky["Events"], "Rain") >= 0
    local = np.where(rainy, truth.rain, 1) * truth.heat ** np.maximum(sky["Max_TemperatureC"] - 22, 0)
    local *= (interest[:, (DAYS - TREND_WEEKS[0]).astype(int) // 7] / 70) ** truth.trend
    sales *= local[shops.state]
    sales *= np.where(shops.promo2[:, None] & _promo2_rounds(shops), truth.promo2, 1)
    known = ~np.isnan(shops.year)  # a competitor of unknown age has always been there, so it is part of the level
    year, month = (np.where(known, part, 1).astype(np.int64) for part in (shops.year, shops.month))
    opened = date_of(year, month, 15)
    near = np.where(known, np.exp(-shops.distance / 3000), 0)[:, None]
    sales *= np.where(opened[:, None] <= DAYS.astype(np.int64), truth.competition**near, 1)
    again = shops.refurbished[:, 1:]
    sales *= np.where((again >= 0) & (day >= again) & (day < again + 28), truth.reopening, 1)
    sales *= np.exp(truth.noise * rng.standard_normal(sales.shape))
    # Open, and nothing sold: the real tables have it.
    sales[rng.integers(0, len(sales), 3), rng.integers(0, 800, 3)] = 0
    return np.where(plan.open, np.round(sales), 0).astype(np.int64)


def _customers(rng: np.random.Generator, sold: Ints) -> Ints:
    """Customers of each store and day, ``[store, day]``, who spend about what is usual in their store."""
    basket = rng.normal(8.5, 1, (len(sold), 1)) * np.exp(0.03 * rng.standard_normal(sold.shape))
    return np.round(sold / np.maximum(basket, 4)).astype(np.int64)


def _promo2_rounds(shops: Shops) -> Flags:
    """Return ``[store, day]``, true in months in which a round of the continuing promotion (Promo2) starts."""
    names = np.array(MONTHS)
    month = names[DAYS.astype("datetime64[M]").astype(np.int64) % 12]
    rounds = np.array([[name in interval.split(",") for name in month] for interval in INTERVALS])
    since = EPOCH + iso_monday(shops.since_year, shops.since_week)
    return rounds[shops.interval] & (since[:, None] <= DAYS)
