"""Plans: clients' statements about opening, promotions and holidays, as calendars beside the panel's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sales.arrays import Bool, Int8, Int64
from sales.assumptions import OpeningRules
from sales.calendar import FIELDS, Calendar
from sales.statements.facts import NOT_STATED

_OPEN, _HOLIDAY = FIELDS.index("open"), FIELDS.index("state_holiday")


@dataclass(frozen=True)
class Plan:
    """Calendars with the statements of clients.

    Attributes:
        calendar: ``[plan, day]``, the days of the plan's store with the client's statements in them.
        row: ``[row]``, index of each row's plan; -1 where the panel's own calendar holds.
    """

    calendar: Calendar
    row: Int64


class _Cells(NamedTuple):
    """Statements about one field.

    Attributes:
        plan: ``[statement]``, index of the plan.
        day: ``[statement]``, index of the day.
        value: ``[statement]``, value for the calendar.
    """

    plan: Int64
    day: Int64
    value: Int64

    def take(self, at: Int64 | Bool) -> _Cells:
        """Return some of the statements."""
        return _Cells(self.plan[at], self.day[at], self.value[at])


def plan_of(
    calendar: Calendar, rules: OpeningRules | None, request: Int64, store: Int64, day: Int64, stated: Int8
) -> Plan | None:
    """Return the plans of some rows.

    The statements of one request about one store make one plan. If several rows state the same day, the last value
    counts for the other days. A row with another value gets a separate plan, in which its value counts.

    A plan that states a state holiday, but not the opening of that day, opens or closes the store by the rules. The
    opening is assumed then.

    Args:
        calendar: the panel's calendar.
        rules: rules for the opening on stated holidays; if None, a stated holiday does not change it.
        request: ``[row]``, index of the row's request.
        store: ``[row]``, index into the calendar's stores.
        day: ``[row]``, index into the calendar's days.
        stated: ``[field of FIELDS, row]``, value for the calendar, or ``NOT_STATED``.

    Returns:
        The plans, or None if no statement differs from the calendar.
    """
    differ = _differ(calendar, store, day, stated)
    if not differ.any():
        return None
    # The statements of one request about one store are a group. Groups that differ nowhere need no plan.
    group = request * len(calendar.stores) + store
    groups = np.unique(group[differ])
    rows = np.flatnonzero(np.isin(group, groups))
    plan, day, stated = np.searchsorted(groups, group[rows]), day[rows], stated[:, rows]
    final = [_last(_statements(plan, day, values), calendar.days) for values in stated]
    other = np.full_like(stated, NOT_STATED)  # [field, row], values that do not count for the row's group
    for values, cells, others in zip(stated, final, other, strict=True):
        at = np.flatnonzero(values >= 0)
        counts = cells.value[_place(cells, plan[at], day[at], calendar.days)]
        others[at] = np.where(values[at] != counts, values[at], NOT_STATED)
    plans = calendar.rows(groups % len(calendar.stores))  # copies, so that the panel's own calendar does not change
    for bit, cells in enumerate(final):
        _state(plans, bit, cells)
    _open_or_close(calendar, rules, plans, groups % len(calendar.stores), final[_HOLIDAY], final[_OPEN])
    plan_of_row = np.full(len(request), -1, dtype=np.int64)
    plan_of_row[rows] = plan
    apart = np.flatnonzero((other >= 0).any(axis=0))
    if apart.size:
        keys = np.stack([plan[apart], day[apart], *other[:, apart]])
        keys, index = np.unique(keys, axis=1, return_inverse=True)
        plan_of_row[rows[apart]] = len(groups) + index.ravel()
        separate = _separate(calendar, rules, plans, groups % len(calendar.stores), keys, final[_OPEN])
        plans = plans.followed_by(separate)
    return Plan(plans, plan_of_row)


def _differ(calendar: Calendar, store: Int64, day: Int64, stated: Int8) -> Bool:
    """Return the rows with a statement that differs from the panel's calendar, ``[row]``."""
    differ = np.zeros(len(store), dtype=np.bool_)
    assumed = calendar.assumed[store, day]
    for bit, (name, values) in enumerate(zip(FIELDS, stated, strict=True)):
        news = (assumed >> bit & 1 > 0) | (getattr(calendar, name)[store, day] != values)
        differ |= (values >= 0) & news
    return differ


def _statements(plan: Int64, day: Int64, values: Int8) -> _Cells:
    """Return the statements of rows about one field, in the order of the rows."""
    at = np.flatnonzero(values >= 0)
    return _Cells(plan[at], day[at], values[at].astype(np.int64))


def _last(cells: _Cells, days: int) -> _Cells:
    """Return the last statement about each plan and day, ordered by plan and day."""
    _, backwards = np.unique((cells.plan * days + cells.day)[::-1], return_index=True)
    return cells.take(len(cells.plan) - 1 - backwards)


def _place(cells: _Cells, plan: Int64, day: Int64, days: int) -> Int64:
    """Return the places of some plans and days in statements that `_last` ordered."""
    return np.searchsorted(cells.plan * days + cells.day, plan * days + day)


def _state(plans: Calendar, bit: int, cells: _Cells) -> None:
    """Write statements about one field into plans."""
    at = cells.plan, cells.day
    getattr(plans, FIELDS[bit])[at] = cells.value
    plans.assumed[at] &= ~np.uint8(1 << bit)


def _open_or_close(
    calendar: Calendar,
    rules: OpeningRules | None,
    plans: Calendar,
    store: Int64,
    holidays: _Cells,
    openings: _Cells,
) -> None:
    """Open or close stores by the rules, on days with a stated holiday and no stated opening.

    Args:
        calendar: the panel's calendar.
        rules: the rules, if there are some.
        plans: the plans, which change.
        store: ``[plan]``, index into the panel's stores.
        holidays: statements about holidays.
        openings: statements about the opening.
    """
    if rules is None or not holidays.plan.size:
        return
    silent = ~np.isin(holidays.plan * calendar.days + holidays.day, openings.plan * calendar.days + openings.day)
    holidays = holidays.take(silent)
    opening = rules.opening(calendar, store[holidays.plan], holidays.day, holidays.value)
    ruled = opening >= 0
    at = holidays.plan[ruled], holidays.day[ruled]
    plans.open[at] = opening[ruled]
    plans.assumed[at] |= np.uint8(1 << _OPEN)


def _separate(
    calendar: Calendar,
    rules: OpeningRules | None,
    plans: Calendar,
    store: Int64,
    keys: Int64,
    openings: _Cells,
) -> Calendar:
    """Return the plans of rows with other values than their groups.

    Args:
        calendar: the panel's calendar.
        rules: the rules for the opening, if there are some.
        plans: the groups' plans.
        store: ``[group]``, index into the panel's stores.
        keys: ``[key, plan]``, the group, the day, and the other value of each field or ``NOT_STATED``.
        openings: the groups' statements about the opening.
    """
    group, day = keys[0], keys[1]
    separate = plans.rows(group)
    number = np.arange(len(group))
    for bit, values in enumerate(keys[2:].astype(np.int8)):
        cells = _statements(number, day, values)
        if bit == _HOLIDAY and cells.plan.size:  # another holiday, so the group's opening does not hold
            silent = ~np.isin(group * calendar.days + day, openings.plan * calendar.days + openings.day)
            holidays = cells.take(silent[cells.plan])
            plan, at = holidays.plan, holidays.day
            separate.open[plan, at] = calendar.open[store[group[plan]], at]
            separate.assumed[plan, at] &= ~np.uint8(1 << _OPEN)
            separate.assumed[plan, at] |= calendar.assumed[store[group[plan]], at] & np.uint8(1 << _OPEN)
            _open_or_close(calendar, rules, separate, store[group], holidays, holidays.take(plan[:0]))
        _state(separate, bit, cells)
    return separate
