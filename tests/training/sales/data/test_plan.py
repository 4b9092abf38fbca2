"""Assumptions about days without a row: promotions, holidays and opening."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sales.calendar import EPOCH
from sales.panel import Panel
from training.sales.data.panel import panel_from_tables
from training.sales.data.plan.holidays import recurrence_keys
from training.sales.data.plan.promotions import continued, fill_promotions
from training.sales.data.tables import Tables
from training.sales.fits.windows import tables_until

CHRISTMAS, NEW_YEAR = dt.date(2015, 12, 25), dt.date(2016, 1, 1)


@pytest.fixture(scope="module", params=["DE", None])
def demo_panel(request: pytest.FixtureRequest, demo_tables: Tables) -> Panel:
    """The demonstration's panel, with and without the country's calendar."""
    return panel_from_tables(replace(demo_tables, country=request.param))


def at(panel: Panel, grid: str, date: dt.date) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = getattr(panel.calendar, grid)[:, panel.calendar.day(date)]
    return values


def test_holidays_beyond_the_plan_are_holidays_and_closed(demo_panel: Panel) -> None:
    """The plan ends on 2015-09-17. The store that opens on Sundays opens on holidays too."""
    sundays = at(demo_panel, "open", dt.date(2015, 11, 8))
    assert 0 < sundays.sum() < len(sundays)
    for date, kind in ((CHRISTMAS, 3), (dt.date(2015, 12, 26), 3), (NEW_YEAR, 1), (dt.date(2015, 10, 3), 1)):
        assert (at(demo_panel, "state_holiday", date) == kind).all(), date
        np.testing.assert_array_equal(at(demo_panel, "open", date), sundays, err_msg=str(date))
        assert (at(demo_panel, "assumed", date) == 15).all()
    assert (at(demo_panel, "state_holiday", dt.date(2015, 12, 24)) == 0).all()
    assert at(demo_panel, "open", dt.date(2015, 12, 24)).all()


def test_holidays_around_easter_move_with_it(demo_panel: Panel) -> None:
    for date in (dt.date(2016, 3, 25), dt.date(2016, 3, 28)):  # Good Friday and Easter Monday
        assert (at(demo_panel, "state_holiday", date) == 2).all()
    assert (at(demo_panel, "state_holiday", dt.date(2016, 4, 3)) == 0).all()  # Good Friday of 2015
    assert (at(demo_panel, "state_holiday", dt.date(2016, 5, 5)) == 1).all()  # Ascension


def test_a_holiday_of_some_states_is_no_holiday_elsewhere(demo_panel: Panel) -> None:
    """All Saints' Day, a Sunday in 2015, and Reformation Day, the Saturday before."""
    states = np.array(demo_panel.levels["State"])[demo_panel.state]
    saints = np.isin(states, ["BW", "BY", "NW", "RP", "SL"])
    np.testing.assert_array_equal(at(demo_panel, "state_holiday", dt.date(2015, 11, 1)) == 1, saints)
    reformation = np.isin(states, ["BB", "MV", "SN", "ST", "TH"])
    np.testing.assert_array_equal(at(demo_panel, "state_holiday", dt.date(2015, 10, 31)) == 1, reformation)


def without_plan(tables: Tables, *, open_days_only: bool, states_holidays: bool) -> Tables:
    """Return tables of the past, as a chain's till writes them."""
    train = tables.train[tables.train["Open"].eq(1)] if open_days_only else tables.train
    if not states_holidays:
        kinds = tables.train["StateHoliday"].dtype
        train = train.assign(StateHoliday=pd.Series("0", index=train.index).astype(kinds))
    return replace(tables, train=train, test=tables.test.iloc[:0])


@pytest.mark.parametrize("open_days_only", [True, False])
@pytest.mark.parametrize("states_holidays", [True, False])
def test_the_countrys_calendar_serves_tables_without_holidays(
    demo_tables: Tables, open_days_only: bool, states_holidays: bool
) -> None:
    tables = without_plan(demo_tables, open_days_only=open_days_only, states_holidays=states_holidays)
    panel, whole = panel_from_tables(tables.in_country("DE")), panel_from_tables(demo_tables)
    for date in (dt.date(2014, 12, 25), dt.date(2014, 10, 3), dt.date(2015, 4, 6), CHRISTMAS, NEW_YEAR):
        for grid in ("state_holiday", "open"):
            if grid == "state_holiday" or date > dt.date(2015, 7, 31):
                np.testing.assert_array_equal(at(panel, grid, date), at(whole, grid, date), err_msg=f"{grid} {date}")


def test_without_a_country_and_holidays_in_the_tables_none_is_assumed(demo_tables: Tables) -> None:
    tables = without_plan(demo_tables, open_days_only=True, states_holidays=False)
    panel = panel_from_tables(replace(tables, country=None))
    assert not panel.calendar.state_holiday.any()


def test_a_holiday_that_the_tables_never_mark_is_not_taken_from_the_calendar(demo_tables: Tables) -> None:
    labour = demo_tables.train["Date"].dt.strftime("%m-%d") == "05-01"
    train = demo_tables.train.assign(StateHoliday=demo_tables.train["StateHoliday"].where(~labour, "0"))
    panel = panel_from_tables(replace(demo_tables, train=train))
    assert (at(panel, "state_holiday", dt.date(2016, 5, 1)) == 0).all()


def weekly(pattern: str) -> NDArray[np.uint8]:
    """Return ``[day]``, promotions on the workdays of the weeks that are 1 in a pattern."""
    return np.repeat(np.array([int(week) for week in pattern], np.uint8), 7) * np.tile(
        [1, 1, 1, 1, 1, 0, 0], len(pattern)
    ).astype(np.uint8)


@pytest.mark.parametrize(
    ("pattern", "future"),
    [
        ("111111111111", "1111"),
        ("010101010101", "0101"),
        ("10101010110101010110", "1010"),  # fortnights that slip by a week now and then
        ("0001" * 12, "0001"),
        ("0011" * 12, "0011"),
        ("110100010110", "0000"),
        ("000000000000", "0000"),
        ("0101", "0000"),  # too short
        ("", "0000"),
    ],
)
def test_promotions_continue_as_they_mostly_did(pattern: str, future: str) -> None:
    days = 7 * len(pattern)
    promo, known = np.zeros(days + 28, np.uint8), np.arange(days + 28) < days
    promo[:days] = weekly(pattern)
    np.testing.assert_array_equal(continued(promo, known), weekly(pattern + future))


def test_holidays_and_unlisted_days_do_not_break_a_rhythm() -> None:
    """A promotion week without its Wednesday, and Sundays without a row."""
    pattern = weekly("010101010101" + "0000")
    known = (np.arange(len(pattern)) < 84) & (np.arange(len(pattern)) % 7 < 6)
    pattern[9] = 0
    assert continued(pattern, known)[84::7].tolist() == [0, 1, 0, 1]


def test_few_irregular_chains_get_promotions_that_nobody_planned() -> None:
    """Weeks are drawn at random; by chance alone, some sequences look like a rhythm."""
    rng = np.random.default_rng(0)
    invented = 0
    for _ in range(200):
        pattern = "".join(map(str, rng.integers(0, 2, 104)))
        promo = weekly(pattern + "00")
        invented += continued(promo, np.arange(len(promo)) < 728)[728:].any()
    assert invented <= 20


def filled(patterns: Sequence[str], weeks: int) -> list[list[int]]:
    """Return the promotions by week after filling ``weeks`` weeks beyond the patterns; ``?`` weeks are not listed."""
    known = np.array([np.repeat([week != "?" for week in pattern], 7) for pattern in patterns])
    promo = np.array([weekly(pattern.replace("?", "0")) for pattern in patterns])
    promo, known = (np.pad(grid, ((0, 0), (0, 7 * weeks))) for grid in (promo, known))
    before = promo.copy()
    fill_promotions(promo, known, ~known)
    np.testing.assert_array_equal(promo[known], before[known])
    return promo[:, -7 * weeks :: 7].tolist()


def test_an_irregular_chain_gets_no_promotions_that_nobody_planned() -> None:
    assert filled(["110100010110"] * 3, 4) == [[0] * 4] * 3


def test_a_chains_rhythm_continues_for_a_store_without_a_plan() -> None:
    assert filled(["010101010101", "0101010101??", "????????????"], 4) == [[0, 1, 0, 1]] * 3


def test_stores_with_rhythms_of_their_own_continue_them() -> None:
    patterns = ["010101010101", "101010101010", "111111111111", "110100010110"]
    assert filled(patterns, 4) == [[0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]


def test_a_hole_in_the_plan_has_the_promotions_of_the_other_stores(demo_tables: Tables) -> None:
    test = demo_tables.test
    hole = test["Store"].eq(3) & test["Date"].between("2015-08-03", "2015-08-21")
    panel, whole = panel_from_tables(replace(demo_tables, test=test[~hole])), panel_from_tables(demo_tables)
    for grid in ("open", "promo", "state_holiday"):
        np.testing.assert_array_equal(getattr(panel.calendar, grid)[2], getattr(whole.calendar, grid)[2])


def test_the_first_fit_assumes_the_days_after_its_holdout(demo_tables: Tables) -> None:
    """Its promotions, looked ahead at in the last days of the holdout, are those of the rhythm, not of the plan."""
    cutoff, end = np.datetime64("2015-03-19"), np.datetime64("2015-05-06")
    panel = panel_from_tables(tables_until(demo_tables, cutoff, end), cutoff=cutoff)
    whole = panel_from_tables(demo_tables)
    after = panel.calendar.day(end.item()) + 1
    assert (panel.calendar.assumed[:, after:] == 15).all()
    ahead = slice(after, after + 28)
    np.testing.assert_array_equal(panel.calendar.promo[:, ahead], panel.calendar.promo[:, after - 14 :][:, :28])
    assert (panel.calendar.state_holiday[:, ahead] == whole.calendar.state_holiday[:, ahead]).all()


def test_facts_that_only_the_plan_lacks_are_filled(demo_tables: Tables) -> None:
    """The plan lists the days alone. 15 August 2015 is a Saturday, so look at Sundays and at the fortnights."""
    missing = {"Open": np.nan, "Promo": np.nan, "SchoolHoliday": np.nan}
    kinds = pd.Categorical.from_codes(np.full(len(demo_tables.test), -1), dtype=demo_tables.test["StateHoliday"].dtype)
    test = demo_tables.test.assign(**missing, StateHoliday=kinds)
    panel, whole = panel_from_tables(replace(demo_tables, test=test)), panel_from_tables(demo_tables)
    plan = slice(whole.cutoff + 1, whole.cutoff + 49)
    for grid in ("open", "promo", "state_holiday"):
        np.testing.assert_array_equal(getattr(panel.calendar, grid)[:, plan], getattr(whole.calendar, grid)[:, plan])
    assert (panel.calendar.assumed[:, plan] == 15).all()
    assert not panel.calendar.gap[:, plan].any()


def test_recurrence_keys_equal_the_standard_library() -> None:
    date = np.arange(np.datetime64("2013-01-01"), np.datetime64("2017-01-01"))
    fixed, moving, nth, last = recurrence_keys((date - EPOCH).astype(np.int64))
    easters = {2013: dt.date(2013, 3, 31), 2014: dt.date(2014, 4, 20), 2015: dt.date(2015, 4, 5)}
    easters[2016] = dt.date(2016, 3, 27)
    for i, day in enumerate(date.tolist()):
        assert fixed[i] == day.month * 100 + day.day
        offset = (day - easters[day.year]).days
        assert moving[i] == (offset + 60 if -60 <= offset <= 70 else -1)
        in_month = day.month * 100 + day.weekday() * 10
        before = sum(dt.date(day.year, day.month, d).weekday() == day.weekday() for d in range(1, day.day))
        assert nth[i] == in_month + before
        assert last[i] == (in_month if (day + dt.timedelta(days=7)).month != day.month else -1)
