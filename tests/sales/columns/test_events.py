"""Columns about recurring events: equal to the standard library's dates and to slow loops."""

import datetime as dt
import itertools
import math
from dataclasses import replace

import dateutil.easter
import numpy as np
import pytest

from sales.arrays import Int64
from sales.columns import events
from sales.columns.events import (
    EVENT_DAYS,
    day_columns,
    day_effects,
    easter,
    effect_columns,
    orthodox_easter,
    same_moving_day,
)
from sales.features import Features
from sales.panel import Panel
from tests.sales.forecasts import HORIZON
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables

EPOCH = dt.date(1970, 1, 1)


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


def all_days(panel: Panel) -> Int64:
    return np.arange(panel.calendar.days)


def test_easter_equals_dateutil() -> None:
    for year in range(1900, 2100):
        for computus, method in ((easter, dateutil.easter.EASTER_WESTERN), (orthodox_easter, 2)):
            expected = dateutil.easter.easter(year, method)
            if method == 2:  # in the Julian calendar
                expected = dateutil.easter.easter(year, dateutil.easter.EASTER_ORTHODOX)
            assert int(computus(year)) == (expected - EPOCH).days


def nth(year: int, month: int, weekday: int, n: int) -> dt.date:
    """Return the nth weekday of a month."""
    days = [dt.date(year, month, day) for day in range(1, 31) if dt.date(year, month, day).weekday() == weekday]
    return days[n - 1]


def slow_events(date: dt.date) -> dict[str, int]:
    """Return the columns of a date by the standard library."""
    year, sunday = date.year, dateutil.easter.easter(date.year)
    mother = nth(year, 5, 6, 2)
    friday = nth(year, 11, 3, 4) + dt.timedelta(days=1)
    eve = dt.date(year, 12, 24)
    fourth = max(day for day in (eve - dt.timedelta(days=n) for n in range(7)) if day.weekday() == 6)
    sundays = [fourth - dt.timedelta(weeks=n) for n in range(4)]
    saturdays = [day - dt.timedelta(days=1) for day in sundays]
    moving = {
        -52: "fat Thursday", -51: "carnival Friday", -50: "carnival Saturday", -49: "carnival Sunday",
        -48: "Rose Monday", -47: "Shrove Tuesday", -46: "Ash Wednesday", -3: "Maundy Thursday", -1: "Holy Saturday",
        0: "Easter Sunday", 2: "Easter Tuesday",
    }  # fmt: skip
    fixed = {"02-14": "Valentine's Day", "10-31": "Halloween", "12-05": "Saint Nicholas's Eve"}
    fixed |= {"12-24": "Christmas Eve", "12-31": "New Year's Eve"}
    names = [moving.get((date - sunday).days, ""), fixed.get(date.isoformat()[5:], "")]
    names += ["Mother's Day"] * (date == mother) + ["Mother's Day eve"] * (date == mother - dt.timedelta(days=1))
    names += ["Black Friday"] * (date == friday) + ["Cyber Monday"] * (date == friday + dt.timedelta(days=3))
    names += ["Advent Sunday"] * (date in sundays) + ["Advent Saturday"] * (date in saturdays)

    def until(event: dt.date, most: int) -> int:
        return (event - date).days if 0 <= (event - date).days <= most else most

    return {
        "EventDay": EVENT_DAYS.index(next((name for name in names if name), "")),
        "AdventWeek": sum(day <= date for day in sundays) if date <= eve else 0,
        "EasterOffset": min(max((date - sunday).days, -60), 60),
        "UntilMothersDay": until(mother, 14),
        "UntilBlackFriday": until(friday, 14),
        "SinceBlackFriday": (date - friday).days if 0 <= (date - friday).days <= 14 else 14,
        "UntilChristmasEve": until(eve, 60),
    }


def test_day_columns_equal_the_standard_library(panel: Panel) -> None:
    columns = day_columns(panel)
    for day in range(panel.calendar.days):
        date = panel.calendar.date(day)
        assert {name: int(column[day]) for name, column in columns.items()} == slow_events(date), date
    assert {*columns} == {*slow_events(EPOCH)}
    assert {*np.unique(columns["EventDay"])} == {*range(len(EVENT_DAYS))}


def test_rose_monday_of_2015_is_named(panel: Panel) -> None:
    day = panel.calendar.day(dt.date(2015, 2, 16))
    columns = day_columns(panel)
    assert EVENT_DAYS[columns["EventDay"][day]] == "Rose Monday"
    assert columns["EasterOffset"][day] == -48


def slow_effect(panel: Panel, store: int, day: int) -> float:
    """Return the logarithm of a day's sales over those of ordinary days near it, by a loop."""
    sales, promo = panel.sales[store], panel.calendar.promo[store]
    near = [day + 7 * weeks for weeks in (-4, -3, -2, -1, 1, 2, 3, 4) if 0 <= day + 7 * weeks < len(sales)]
    usual = [math.log(sales[other]) for other in near if sales[other] > 0 and promo[other] == promo[day]]
    if not usual or not sales[day] > 0:
        return math.nan
    return min(max(math.log(sales[day]) - sum(usual) / len(usual), -3.0), 3.0)


def test_day_effects_equal_a_loop(panel: Panel) -> None:
    effects = day_effects(panel.sales, panel.calendar.promo, all_days(panel))
    rng = np.random.default_rng(0)
    cells = [
        *zip(rng.integers(12, size=400), rng.integers(panel.calendar.days, size=400), strict=True),
        (0, 0),
        (3, 20),
    ]
    for store, day in cells:
        assert effects[store, day] == pytest.approx(slow_effect(panel, store, day), abs=1e-4, nan_ok=True)


def test_effects_are_those_of_the_same_day_a_year_before(panel: Panel) -> None:
    """At the same distance from Easter, and on the same date; 0 where that is not known."""
    columns = effect_columns(panel, all_days(panel))
    rng = np.random.default_rng(1)
    for store, day in rng.integers([12, panel.calendar.days], size=(300, 2)).tolist():
        date = panel.calendar.date(day)
        offset = (date - dateutil.easter.easter(date.year)).days
        before = {
            "Easter": dateutil.easter.easter(date.year - 1) + dt.timedelta(days=offset) if abs(offset) <= 60 else None,
            "Date": date.replace(year=date.year - 1, month=3, day=1)
            if (date.month, date.day) == (2, 29)
            else date.replace(year=date.year - 1),
        }
        same_state = np.flatnonzero(panel.state == panel.state[store])
        for name, other in before.items():
            place = -1 if other is None else panel.calendar.day(other)
            effect, state = 0.0, 0.0
            if place >= 0:
                effect = slow_effect(panel, store, place)
                known = [value for s in same_state if not math.isnan(value := slow_effect(panel, s, place))]
                state = sum(known) / len(known) if known else 0.0
                effect = 0.0 if math.isnan(effect) else effect
            assert columns[f"{name}Effect"][store, day] == pytest.approx(effect, abs=1e-4)
            assert columns[f"{name}EffectState"][store, day] == pytest.approx(state, abs=1e-4)


def test_a_closed_carnival_is_expected_again(panel: Panel) -> None:
    """A store sold a tenth on Rose Monday 2014, and its region did, too. Rose Monday 2015 is 17 days earlier."""
    sales = panel.sales.copy()
    rose = panel.calendar.day(dt.date(2014, 3, 3))
    sales[0, rose] = np.nanmedian(sales[0]) / 10
    columns = effect_columns(replace(panel, sales=sales), all_days(panel))
    assert columns["EasterEffect"][0, panel.calendar.day(dt.date(2015, 2, 16))] < -1.8
    assert columns["DateEffect"][0, panel.calendar.day(dt.date(2015, 3, 3))] < -1.8
    assert abs(columns["EasterEffect"][0, panel.calendar.day(dt.date(2015, 2, 9))]) < 0.7


def test_effects_use_no_sales_of_the_last_ten_months(panel: Panel) -> None:
    """So they are known at the origin of each forecast, up to 300 days ahead."""
    day = panel.cutoff - 100
    hidden = panel.sales.copy()
    hidden[:, day - 300 :] = np.nan
    days = all_days(panel)
    before, after = effect_columns(panel, days), effect_columns(replace(panel, sales=hidden), days)
    for name, column in before.items():
        np.testing.assert_array_equal(column[:, day], after[name][:, day])


def test_own_events_hold_for_their_stores_and_days(panel: Panel) -> None:
    rows = np.array([[1, 100, 102, -1, -1], [2, 110, 110, 3, -1], [3, 102, 103, -1, panel.state[5]]], np.int32)
    columns = events.own_event_columns(replace(panel, own_events=rows), all_days(panel))
    for store in range(len(panel.state)):
        for day in range(80, 140):
            codes = [
                code
                for code, first, last, of_store, of_state in rows.tolist()
                if first <= day <= last and of_store in (-1, store) and of_state in (-1, panel.state[store])
            ]
            assert columns["OwnEvent"][store, day] == (codes[0] if codes else 0)
        happened = np.flatnonzero(columns["OwnEvent"][store])
        for day in range(80, 140):
            ahead, past = happened[happened >= day], happened[happened <= day]
            assert columns["UntilOwnEvent"][store, day] == (min(ahead[0] - day, 14) if ahead.size else 14)
            assert columns["SinceOwnEvent"][store, day] == (min(day - past[-1], 14) if past.size else 14)


def test_declared_columns_are_computed(panel: Panel) -> None:
    computed = {
        **day_columns(panel),
        **effect_columns(panel, all_days(panel)),
        **events.own_event_columns(panel, all_days(panel)),
    }
    assert {*computed} == {column.name for column in events.COLUMNS}


def test_a_new_store_has_no_effects_of_its_own(panel: Panel) -> None:
    """Training hides the sales of some rows' stores; their state's effects stay known."""
    features = Features(panel, "production", horizon=HORIZON)
    names = features.feature_set.cont_names
    day = np.full(2, panel.calendar.day(dt.date(2015, 2, 16)))
    conts = features.build(np.zeros(2, np.int64), day, origin=day - 10, new=np.array([False, True])).conts
    known, hidden = ({name: row[names.index(name)] for name in events.OWN_EFFECTS} for row in conts)
    assert known["EasterEffect"] != 0
    assert not any(hidden.values())
    state = [names.index(name) for name in events.STATE_EFFECTS]
    np.testing.assert_array_equal(conts[0, state], conts[1, state])


def test_days_around_a_holiday_of_the_moon_have_the_same_days_of_the_year_before() -> None:
    """A feast of two days that moves by 11 days a year, and a fixed holiday, which has the effect of its date."""
    date = np.arange(dt.date(2016, 1, 1).toordinal(), dt.date(2018, 12, 31).toordinal() + 1) - EPOCH.toordinal()

    def day(year: int, month: int, day_of_month: int) -> int:
        return dt.date(year, month, day_of_month).toordinal() - dt.date(2016, 1, 1).toordinal()

    official = np.zeros(len(date), np.int32)
    feasts = [day(2016, 7, 5), day(2017, 6, 25), day(2018, 6, 15)]
    for number in (1, 2):
        official[np.array(feasts) + number - 1] = number
    official[[day(year, 5, 1) for year in (2016, 2017, 2018)]] = 3
    official[[day(2016, 9, 9), day(2018, 2, 2)]] = 4  # election days
    before = same_moving_day(official, date)
    expected = np.full(len(date), -1)
    for last, feast in itertools.pairwise(feasts):
        for offset in range(-35, 12):
            expected[feast + offset] = last + offset
    np.testing.assert_array_equal(before, expected)


def test_effects_of_a_moving_holiday_are_those_of_the_year_before(panel: Panel) -> None:
    """The holiday moves by 11 days; stores without a state have holidays too."""
    official = np.zeros((len(panel.levels["State"]) + 1, panel.calendar.days), np.int32)
    first = panel.calendar.day(dt.date(2014, 3, 12))
    official[:, [first, first + 354]] = 1
    state = panel.state.copy()
    state[2] = -1
    moved = replace(panel, official=official, state=state)
    columns, effects = (
        effect_columns(moved, all_days(moved)),
        day_effects(panel.sales, panel.calendar.promo, all_days(panel)),
    )
    for day in range(first + 354 - 35, first + 354 + 11):
        for store in (0, 1, 2):
            expected = effects[store, day - 354]
            assert columns["MovingEffect"][store, day] == pytest.approx(0 if np.isnan(expected) else expected, abs=1e-6)
    outside = [first + 354 - 36, first + 354 + 11, first]
    assert (columns["MovingEffect"][:, outside] == 0).all()
    assert (
        effect_columns(panel, all_days(panel))["MovingEffect"] == 0
    ).all()  # Germany's holidays do not follow the moon
