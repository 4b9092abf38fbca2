"""Columns that follow from the planned calendar: equal to slow counts, day by day."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sales.columns import holidays, opening, promotion
from tests.sales.columns.slow import Event, count, random_calendar, since, until

CALENDAR = random_calendar()
DAYS = range(CALENDAR.days)
STORES = range(len(CALENDAR.stores))
CUTOFF = 120

# columns of stretches, which have tests of their own
SCHOOL_BREAKS = {"SchoolBreakDay", "SchoolBreakLeft", "SinceSchoolBreak", "UntilSchoolBreak"}
CLOSURES = {"ClosedBefore", "ClosedAfter", "LongClosureDays"}


def expected_around(name: str, event: Event, day: int) -> dict[str, int]:
    return {
        f"{name}_bw": count(event, range(day - 6, day + 1), CALENDAR.days),
        f"{name}_fw": count(event, range(day, day + 7), CALENDAR.days),
    }


def expected_distance(name: str, event: Event, day: int, longest: int) -> dict[str, int]:
    return {f"Since{name}": since(event, day, longest), f"Until{name}": until(event, day, 14, CALENDAR.days)}


def assert_columns(columns: Any, store: int, day: int, expected: dict[str, int]) -> None:
    assert {name: int(columns[name][store, day]) for name in expected} == expected, (store, day)


def test_promotion_columns_equal_slow_counts() -> None:
    columns = promotion.plan_columns(CALENDAR)
    for store in STORES:

        def promo(day: int, store: int = store) -> bool:
            return bool(CALENDAR.promo[store, day])

        for day in DAYS:
            expected = {"Promo": int(promo(day)), **expected_around("Promo", promo, day)}
            assert_columns(columns, store, day, expected | expected_distance("Promo", promo, day, 14))
    assert columns.keys() == {"Promo", "Promo_bw", "Promo_fw", "SincePromo", "UntilPromo"}


def test_holiday_columns_equal_slow_counts() -> None:
    columns = holidays.plan_columns(CALENDAR)
    checked: set[str] = set()
    for store in STORES:
        kind, school = CALENDAR.state_holiday[store], CALENDAR.school_holiday[store]
        for day in DAYS:
            expected = {
                "StateHolidayType": int(kind[day]),
                "SchoolHoliday": int(school[day]),
                **expected_around("StateHoliday", lambda at, kind=kind: kind[at] > 0, day),  # type: ignore[misc]
                **expected_around("SchoolHoliday", lambda at, school=school: school[at] > 0, day),  # type: ignore[misc]
                **expected_distance("StateHoliday", lambda at, kind=kind: kind[at] > 0, day, 30),  # type: ignore[misc]
                **expected_distance("Easter", lambda at, kind=kind: kind[at] == 2, day, 30),  # type: ignore[misc]
                **expected_distance("Christmas", lambda at, kind=kind: kind[at] == 3, day, 30),  # type: ignore[misc]
                **expected_distance("SchoolHoliday", lambda at, school=school: school[at] > 0, day, 30),  # type: ignore[misc]
            }
            assert_columns(columns, store, day, expected)
            checked |= expected.keys()
    assert checked | SCHOOL_BREAKS == columns.keys()


def closed(store: int, day: int) -> bool:
    """Return true if the store is closed, or unlisted on a past day."""
    return CALENDAR.open[store, day] == 0 or (CALENDAR.gap[store, day] > 0 and day <= CUTOFF)


def in_long_closure(store: int, day: int) -> bool:
    """Return true if the day belongs to five closed days in a row."""
    return any(
        all(0 <= at < CALENDAR.days and closed(store, at) for at in range(first, first + 5))
        for first in range(day - 4, day + 1)
    )


def test_opening_columns_equal_slow_counts() -> None:
    columns = opening.plan_columns(CALENDAR, CUTOFF)
    checked: set[str] = set()
    for store in STORES:
        for day in DAYS:

            def is_open(at: int, store: int = store) -> bool:
                return not closed(store, at)

            def neighbour(at: int, store: int = store) -> int:
                return int(not closed(store, at)) if 0 <= at < CALENDAR.days else -1

            expected = {
                "OpenBefore_2": neighbour(day - 2),
                "OpenBefore_1": neighbour(day - 1),
                "OpenAfter_1": neighbour(day + 1),
                "OpenAfter_2": neighbour(day + 2),
                **expected_around("Open", is_open, day),
                **expected_distance("LongClosure", lambda at, store=store: in_long_closure(store, at), day, 60),  # type: ignore[misc]
            }
            assert_columns(columns, store, day, expected)
            checked |= expected.keys()
    assert checked | CLOSURES == columns.keys()


def test_a_stretch_without_rows_is_a_closure_in_the_past_and_unplanned_in_the_future() -> None:
    """Rossmann's tables leave out 180 stores for half a year, in which they were refurbished."""
    past, future = (opening.plan_columns(CALENDAR, cutoff) for cutoff in (CUTOFF, 20))
    assert past["SinceLongClosure"][0, 60:65].tolist() == [1, 2, 3, 4, 5]
    assert past["Open_bw"][0, 59] == 0
    assert (future["SinceLongClosure"][0, 60:65] == 60).all()


@pytest.mark.parametrize("module", [promotion, holidays])
def test_counts_are_of_calendar_days_whether_listed_or_not(module: Any) -> None:
    """A hole in the plan set the counts to 0, even on days that the client stated."""
    whole = replace(CALENDAR, gap=np.zeros_like(CALENDAR.gap))
    with_hole, without = (module.plan_columns(calendar) for calendar in (CALENDAR, whole))
    for name in with_hole:
        np.testing.assert_array_equal(with_hole[name], without[name], err_msg=name)
