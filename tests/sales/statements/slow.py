"""Plans made statement by statement, as an oracle for those that are made of columns."""

from dataclasses import dataclass, field

import numpy as np

from sales.assumptions import OpeningRules
from sales.calendar import FIELDS, Calendar
from sales.statements.plan import Plan

Cell = tuple[str, int]  # field and day that a statement is about


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

    def add(self, request: int, store: int, day: int, stated: list[tuple[int, int]]) -> None:
        """Add the next row.

        Args:
            request: index of the row's request.
            store: index into the calendar's stores.
            day: index into the calendar's days.
            stated: index in ``FIELDS`` and value of each stated field.
        """
        joint = self._stores.get((request, store))
        if joint is None:
            joint = self._stores[request, store] = _StoreStatements(store)
        values = {}
        for bit, value in stated:
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
                    opening = self._rules.opening(self._calendar, *(np.array([n]) for n in (store, day, value))).item()
                    if opening >= 0:
                        calendar.open[index, day] = opening
                        calendar.assumed[index, day] |= np.uint8(1 << FIELDS.index("open"))
        return Plan(calendar, plan_of_row)
