"""Columns about recurring events: Easter and what moves with it, shopping days, and a user's own events.

Named days and distances follow from the date alone, so that serving needs no calendar package. Effects come from past
sales, own events from the user's table. No request changes them.
"""

from collections.abc import Mapping

import numpy as np

from sales.arrays import AnyArray, Bool, Float32, Float64, Int32, Int64, Integers, UInt8
from sales.calendar import date_of, datepart, days_since, days_until
from sales.columns.column import Column, Table, cats, conts
from sales.columns.distance import UNTIL
from sales.panel import MISSING, Panel

EASTER_REACH = 60  # days before and after Easter; carnival begins 52 days before, Corpus Christi is 60 days after
ADVENT_REACH = 60  # days before Christmas Eve
SINCE = 14  # days
WEEKS = (7, 14, 21, 28)  # distances in days of the ordinary days with which an event's day is compared
LARGEST = 3.0  # bound of the logarithm of an effect: a factor of 20

# Named days by their distance from Easter Sunday; in Germany's carnival regions shops close on Rose Monday.
_FROM_EASTER = {
    -52: "fat Thursday", -51: "carnival Friday", -50: "carnival Saturday", -49: "carnival Sunday", -48: "Rose Monday",
    -47: "Shrove Tuesday", -46: "Ash Wednesday", -3: "Maundy Thursday", -1: "Holy Saturday", 0: "Easter Sunday",
    2: "Easter Tuesday",
}  # fmt: skip
_FIXED = {
    (2, 14): "Valentine's Day", (10, 31): "Halloween", (12, 5): "Saint Nicholas's Eve", (12, 24): "Christmas Eve",
    (12, 31): "New Year's Eve",
}  # fmt: skip
_OTHERS = (
    "Mother's Day eve", "Mother's Day", "Black Friday", "Cyber Monday", "Advent Saturday", "Advent Sunday",
)  # fmt: skip
EVENT_DAYS = ("", *_FROM_EASTER.values(), *_FIXED.values(), *_OTHERS)

OWN_EFFECTS = ("EasterEffect", "DateEffect", "MovingEffect")  # from the store's own sales
STATE_EFFECTS = tuple(f"{name}State" for name in OWN_EFFECTS)
MOVES = 7  # days by which a holiday's date differs between two years at most, unless it follows the moon
AROUND = range(-35, 11)  # days around a holiday that follows the moon; the month of Ramadan comes before its feast
MOON_YEAR = range(340, 391)  # days between two occurrences of such a holiday: 12 or 13 months of the moon

COLUMNS = (
    Column("EventDay", "cat", "holidays", words=EVENT_DAYS),
    *cats("holidays", "AdventWeek"),
    *conts("holidays", "EasterOffset", "UntilMothersDay", "UntilBlackFriday", "SinceBlackFriday", "UntilChristmasEve"),
    *(Column(name, "cont", "history", flagged=False) for name in (*OWN_EFFECTS, *STATE_EFFECTS)),
    *cats("holidays", "OwnEvent"),
    *conts("holidays", "SinceOwnEvent", "UntilOwnEvent"),
)


def easter(year: Integers | int) -> Int64:
    """Return Easter Sunday of the Gregorian calendar, in days since 1970-01-01 (the anonymous computus).

    >>> str(np.datetime64(int(easter(2015)), "D"))
    '2015-04-05'
    """
    year = np.asarray(year, dtype=np.int64)
    golden, century, rest = year % 19, year // 100, year % 100
    moon = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    day = moon + weekday - 7 * late + 114  # 31 * month + day of the month - 1
    first: Int64 = date_of(year, day // 31, 1)
    sunday: Int64 = first + day % 31
    return sunday


def orthodox_easter(year: Integers | int) -> Int64:
    """Return Easter Sunday of the Eastern Churches, in days since 1970-01-01, for the years 1900 to 2099.

    >>> str(np.datetime64(int(orthodox_easter(2015)), "D"))
    '2015-04-12'
    """
    year = np.asarray(year, dtype=np.int64)
    moon = (19 * (year % 19) + 15) % 30
    weekday = (2 * (year % 4) + 4 * (year % 7) - moon + 34) % 7
    day = moon + weekday + 114  # 31 * month + day of the month - 1, in the Julian calendar
    first: Int64 = date_of(year, day // 31, 1)
    sunday: Int64 = first + day % 31 + 13  # 13 days between the calendars, 1900 to 2099
    return sunday


def mothers_day(year: Integers) -> Int64:
    """Return the second Sunday of May, as in most countries, in days since 1970-01-01.

    >>> str(np.datetime64(int(mothers_day(np.array([2015]))[0]), "D"))
    '2015-05-10'
    """
    return _weekday_from(date_of(year, np.asarray(5), 8), 6)


def black_friday(year: Integers) -> Int64:
    """Return the day after the fourth Thursday of November, in days since 1970-01-01.

    >>> str(np.datetime64(int(black_friday(np.array([2015]))[0]), "D"))
    '2015-11-27'
    """
    return _weekday_from(date_of(year, np.asarray(11), 22), 3) + 1


def first_advent(year: Integers) -> Int64:
    """Return the fourth Sunday before Christmas Day, in days since 1970-01-01.

    >>> str(np.datetime64(int(first_advent(np.array([2015]))[0]), "D"))
    '2015-11-29'
    """
    return _weekday_from(date_of(year, np.asarray(11), 27), 6)


def _weekday_from(date: Int64, weekday: int) -> Int64:
    """Return the first day from a date on that is a weekday; 0 is Monday."""
    return date + (weekday - (date + 3)) % 7  # 1970-01-01 was a Thursday


def day_columns(panel: Panel) -> Table:
    """Return the ``[day]`` columns: named days, and distances to those of the same year.

    ``EasterOffset`` is negative before Easter. ``AdventWeek`` counts the Advent Sundays up to Christmas Eve.
    """
    date = panel.date
    parts = datepart(date)
    year, month, day = parts["Year"], parts["Month"], parts["Day"]
    offset = date - easter(year)
    advent, mother, friday = first_advent(year), mothers_day(year), black_friday(year)
    christmas_eve = date_of(year, np.asarray(12), 24)
    in_advent = (date >= advent) & (date <= christmas_eve)
    conditions: dict[str, Bool] = {name: offset == distance for distance, name in _FROM_EASTER.items()}
    conditions |= {name: (month == fixed[0]) & (day == fixed[1]) for fixed, name in _FIXED.items()}
    conditions |= {
        "Mother's Day eve": date == mother - 1,
        "Mother's Day": date == mother,
        "Black Friday": date == friday,
        "Cyber Monday": date == friday + 3,
        "Advent Saturday": (date >= advent - 1) & (date < christmas_eve) & (parts["Dayofweek"] == 5),
        "Advent Sunday": in_advent & (parts["Dayofweek"] == 6),
    }
    names = [*conditions]
    codes = np.select([conditions[name] for name in names], [EVENT_DAYS.index(name) for name in names], 0)
    return {
        "EventDay": codes.astype(np.int32),
        "AdventWeek": np.where(in_advent, (date - advent) // 7 + 1, 0),
        "EasterOffset": np.clip(offset, -EASTER_REACH, EASTER_REACH),
        "UntilMothersDay": _until(date, mother, UNTIL),
        "UntilBlackFriday": _until(date, friday, UNTIL),
        "SinceBlackFriday": _until(friday, date, SINCE),
        "UntilChristmasEve": _until(date, christmas_eve, ADVENT_REACH),
    }


def _until(date: Int64, event: Int64, most: int) -> Int64:
    """Return the days from one date until another, at most ``most``, which also stands for a date that has passed."""
    days: Int64 = event - date
    return np.where((days < 0) | (days > most), most, days)


def effect_columns(panel: Panel, day: Int64, moving_days: Mapping[int, Int64] | None = None) -> Table:
    """Return the ``[store, day]`` columns of what the same day did to the store's sales in the year before.

    The same day is one of the year before: at the same distance from Easter (``Easter``, within ``EASTER_REACH``), of
    the same date (``Date``), or at the same distance from an official holiday that follows the moon (``Moving``). Its
    effect is the logarithm of its sales over those of ordinary days; see ``day_effects``. It is 0 where that is not
    known. A column that ends in ``State`` is the mean of the store's state.

    Args:
        panel: facts of all stores and days.
        day: ``[day]``, indices of the days.
        moving_days: result of `moving_days_before`; None to compute it.
    """
    date = panel.date[day]
    parts = datepart(date)
    offset = date - easter(parts["Year"])
    easter_before = np.where(abs(offset) <= EASTER_REACH, easter(parts["Year"] - 1) + offset - panel.first_day, -1)
    same_date = date_of(parts["Year"] - 1, parts["Month"], 1) + parts["Day"] - 1 - panel.first_day  # 29 Feb: 1 March
    moving_days = moving_days_before(panel) if moving_days is None else moving_days
    moving_before = {state: before[day] for state, before in moving_days.items()}
    # The effects of these days of the year before are computed, and of no others.
    wanted = np.unique(np.concatenate([easter_before, same_date, *moving_before.values()]))
    wanted = wanted[(wanted >= 0) & (wanted < panel.calendar.days)]
    effects = day_effects(panel.sales, panel.calendar.promo, wanted, unit=panel.unit)
    by_state = _state_means(effects, panel.state)
    columns = {
        f"{name}Effect{suffix}": _take_days(values, wanted, before)
        for name, before in (("Easter", easter_before), ("Date", same_date))
        for suffix, values in (("", effects), ("State", by_state))
    }
    for suffix, values in (("", effects), ("State", by_state)):
        moving = np.zeros((len(values), len(day)), values.dtype)
        for state, before in moving_before.items():
            stores = np.flatnonzero(panel.state % len(panel.official) == state)  # -1 is the last row
            moving[stores] = _take_days(values[stores], wanted, before)
        columns[f"MovingEffect{suffix}"] = moving
    return columns


def moving_days_before(panel: Panel) -> dict[int, Int64]:
    """Return the result of `same_moving_day` for each state with official holidays."""
    states = np.flatnonzero((panel.official > 0).any(axis=1)).tolist()
    return {state: same_moving_day(panel.official[state], panel.date) for state in states}


def same_moving_day(official: Int32, date: Int64) -> Int64:
    """Return the day of the year before at the same distance from a holiday that follows the moon, ``[day]``.

    The nearest holiday counts, within ``AROUND``. Holidays that move with Easter have columns of their own.

    Args:
        official: ``[day]``, numbers of the holidays; 0 on other days.
        date: ``[day]``, days since 1970-01-01.

    Returns:
        Indices of days; -1 where there is none. They may lie before the first day.
    """
    before, distance = np.full(len(date), -1), np.full(len(date), len(date))
    for number in np.unique(official[official > 0]).tolist():
        days = np.flatnonzero(official == number)
        years = datepart(date[days])
        gaps = np.diff(days)
        drift = np.diff(years["Dayofyear"])
        wrapped = np.minimum(abs(drift), 365 - abs(drift))
        from_easter = date[days] - easter(years["Year"])
        if not gaps.size or wrapped.max() <= MOVES or np.ptp(from_easter) == 0:
            continue
        for previous, day in zip(days[:-1].tolist(), days[1:].tolist(), strict=True):
            around = np.array([offset for offset in AROUND if 0 <= day + offset < len(date)])
            nearer = around[(abs(around) < distance[day + around]) & (day - previous in MOON_YEAR)]
            before[day + nearer], distance[day + nearer] = previous + nearer, abs(nearer)
    return before


def day_effects(sales: Float64, promo: UInt8, day: Int64, unit: float = 1.0) -> Float32:
    """Return the logarithm of some days' sales over those of ordinary days near them, ``[store, day]``.

    Ordinary days are the same weekday up to 4 weeks before and after, with a promotion if the day has one. The
    logarithm is between ``-LARGEST`` and ``LARGEST``. It is NaN where the day's sales or all of the ordinary days' are
    unknown.

    Args:
        sales: ``[store, day]``, sales; NaN where unknown.
        promo: ``[store, day]``, 1 where the store runs a promotion.
        day: ``[day]``, indices of the days.
        unit: unit of the logarithms.
    """
    log, promo_now = np.log(sales.take(day, axis=1) / unit), promo.take(day, axis=1)
    total, count = np.zeros_like(log), np.zeros(log.shape, dtype=np.int32)
    for days in WEEKS:
        for ordinary in (day - days, day + days):
            inside = (ordinary >= 0) & (ordinary < sales.shape[1])
            at = np.where(inside, ordinary, 0)
            other = np.log(sales.take(at, axis=1) / unit)
            same = inside & ~np.isnan(other) & (promo_now == promo.take(at, axis=1))
            total += np.where(same, other, 0)
            count += same
    usual = np.divide(total, count, out=np.full_like(log, np.nan), where=count > 0)
    effects: Float32 = np.clip(log - usual, -LARGEST, LARGEST)
    return effects


def _state_means(effects: Float32, state: Int32) -> Float32:
    """Return the mean of the store's state, ``[store, day]``; NaN where no store of the state has a value."""
    means = np.empty_like(effects)
    for code in np.unique(state):
        stores = np.flatnonzero(state == code)
        known = ~np.isnan(effects[stores])
        total, count = np.where(known, effects[stores], 0).sum(axis=0), known.sum(axis=0)
        means[stores] = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return means


def _take_days(values: Float32, known: Int64, day: Int64) -> Float32:
    """Return the values of days, ``[store, day]``; 0 where they are NaN or unknown.

    Args:
        values: ``[store, known]``, values of the known days.
        known: indices of these days, ascending.
        day: ``[day]``, indices of the days to return.
    """
    inside = np.isin(day, known)
    if not inside.any():
        return np.zeros((len(values), len(day)), np.float32)
    taken = values.take(np.where(inside, np.searchsorted(known, day), 0), axis=1)
    return np.where(inside & ~np.isnan(taken), taken, np.float32(0))


def cell_columns(panel: Panel, day: Int64, moving_days: Mapping[int, Int64]) -> Table:
    """Return the ``[store, day]`` columns that no request can change; see `effect_columns`."""
    return {**effect_columns(panel, day, moving_days), **own_event_columns(panel, day)}


def own_event_columns(panel: Panel, day: Int64) -> Table:
    """Return the ``[store, day]`` columns of the user's own events, for the days ``[day]``.

    ``OwnEvent`` is an index into the panel's levels; 0 is none, and the first event of the user's table counts.
    """
    if not len(panel.own_events):  # as in most tables
        shape = (len(panel.store_ids), len(day))
        none = {"OwnEvent": 0, "SinceOwnEvent": SINCE, "UntilOwnEvent": UNTIL}
        return {name: np.full(shape, value, np.int32) for name, value in none.items()}
    shape = panel.calendar.open.shape
    codes = np.zeros(shape, dtype=np.int32)
    for code, first, last, store, state in panel.own_events[::-1].tolist():
        stores = np.ones(shape[0], dtype=np.bool_)
        if store != MISSING:
            stores &= np.arange(shape[0]) == store
        if state != MISSING:
            stores &= panel.state == state
        codes[stores, max(first, 0) : max(last + 1, 0)] = code
    columns: dict[str, AnyArray] = {"OwnEvent": codes[:, day]}
    for name, days in (("Since", days_since(codes > 0)), ("Until", days_until(codes > 0))):
        most = SINCE if name == "Since" else UNTIL
        columns[f"{name}OwnEvent"] = np.where(days < 0, most, np.minimum(days, most))[:, day]
    return columns
