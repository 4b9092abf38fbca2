"""Plans: clients' statements about opening, promotions and holidays, as calendars beside the panel's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sales.arrays import Int64
from sales.assumptions import OpeningRules
from sales.calendar import FIELDS, STATE_HOLIDAYS, Calendar
from schemas.sales.request import Item

Cell = tuple[str, int]  # field and day that a statement is about


@dataclass(frozen=True)
class Plan:
    """Calendars with the statements of clients.

    Attributes:
        calendar: ``[plan, day]``, the days of the plan's store with the client's statements in them.
        row: ``[row]``, index of each row's plan; -1 where the panel's own calendar holds.
    """

    calendar: Calendar
    row: Int64


@dataclass
class _StoreStatements:
    """Statements of one request about one store.

    Attributes:
        store: index into the panel's stores.
        values: value by cell; the last item that states a cell counts.
        differ: true if a statement differs from the panel's calendar.
        plans: index of the plan by the cells in which an item differs from ``values``.
    """

    store: int
    values: dict[Cell, int] = field(default_factory=dict)
    differ: bool = False
    plans: dict[tuple[tuple[Cell, int], ...], int] = field(default_factory=dict)


class Statements:
    """Statements of a batch's rows, collected row by row and turned into plans.

    The statements of one request about one store make one plan. If several items state the same cell, the last value
    counts for the other days. An item with another value gets a separate plan, in which its value counts.

    A plan that states a state holiday, but not the opening of that day, opens or closes the store by the rules. The
    opening is assumed then.
    """

    def __init__(self, calendar: Calendar, rules: OpeningRules | None = None) -> None:
        """Initialize the collection.

        Args:
            calendar: the panel's calendar.
            rules: rules for the opening on stated holidays; if None, a stated holiday does not change it.
        """
        self._calendar, self._rules = calendar, rules
        self._stores: dict[tuple[int, int], _StoreStatements] = {}
        self._rows: list[tuple[_StoreStatements, dict[Cell, int]]] = []

    def add(self, request: int, store: int, day: int, item: Item) -> None:
        """Add the next row.

        Args:
            request: index of the row's request.
            store: index into the calendar's stores.
            day: index into the calendar's days.
            item: the row's item.
        """
        joint = self._stores.get((request, store))
        if joint is None:
            joint = self._stores[request, store] = _StoreStatements(store)
        values = {}
        for bit, value in _stated(item):
            name = FIELDS[bit]
            values[name, day] = value
            assumed = self._calendar.assumed[store, day] >> bit & 1
            if assumed or getattr(self._calendar, name)[store, day] != value:
                joint.differ = True
        joint.values.update(values)
        self._rows.append((joint, values))

    def plan(self) -> Plan | None:
        """Return the plans of all rows, or None if no statement differs from the calendar."""
        plans: list[tuple[int, dict[Cell, int]]] = []  # store and statements of each
        plan_of_row = np.full(len(self._rows), -1, dtype=np.int64)
        for row, (joint, values) in enumerate(self._rows):
            if not joint.differ:
                continue
            differing = {cell: value for cell, value in values.items() if joint.values[cell] != value}
            index = joint.plans.setdefault(tuple(sorted(differing.items())), len(plans))
            if index == len(plans):
                plans.append((joint.store, {**joint.values, **differing}))
            plan_of_row[row] = index
        if not plans:
            return None
        # copies, so that the panel's own calendar does not change
        calendar = self._calendar.rows(np.array([store for store, _ in plans], dtype=np.int64))
        for index, (store, statements) in enumerate(plans):
            for (name, day), value in statements.items():
                getattr(calendar, name)[index, day] = value
                calendar.assumed[index, day] &= ~np.uint8(1 << FIELDS.index(name))
                if name == "state_holiday" and self._rules is not None and ("open", day) not in statements:
                    opening = self._rules.opening(self._calendar, store, day, value)
                    if opening is not None:
                        calendar.open[index, day] = opening
                        calendar.assumed[index, day] |= np.uint8(1 << FIELDS.index("open"))
        return Plan(calendar, plan_of_row)


def states_day(item: Item) -> bool:
    """Return true if an item states anything about its day, the weather aside."""
    nothing = item.open is None and item.promo is None
    return not (nothing and item.state_holiday is None and item.school_holiday is None)


def _stated(item: Item) -> list[tuple[int, int]]:
    """Return the index in ``FIELDS`` and the calendar's value of each field that an item states."""
    values = (
        item.open,
        item.promo,
        None if item.state_holiday is None else STATE_HOLIDAYS.index(item.state_holiday),
        item.school_holiday,
    )
    return [(index, int(value)) for index, value in enumerate(values) if value is not None]
