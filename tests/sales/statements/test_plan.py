"""Plans made of columns, compared with plans made statement by statement."""

from dataclasses import fields

import numpy as np
import pytest

from sales.assumptions import OpeningRules
from sales.calendar import FIELDS, GRIDS, STATE_HOLIDAYS, Calendar
from sales.statements.facts import NOT_STATED
from sales.statements.plan import plan_of
from tests.sales.statements.slow import Statements

STORES, DAYS, CUTOFF = 4, 120, 90


@pytest.fixture(scope="module")
def calendar() -> Calendar:
    """Calendar with all kinds of days, known and assumed."""
    rng = np.random.default_rng(0)
    flags = {name: rng.integers(0, 2, (STORES, DAYS)).astype(np.uint8) for name in ("open", "promo", "school_holiday")}
    holiday = rng.choice(4, (STORES, DAYS), p=[0.7, 0.1, 0.1, 0.1]).astype(np.uint8)
    assumed = np.where(np.arange(DAYS) > CUTOFF, rng.integers(0, 16, (STORES, DAYS)), 0).astype(np.uint8)
    gap = np.zeros((STORES, DAYS), np.uint8)
    return Calendar(np.arange(STORES, dtype=np.int32), 0, state_holiday=holiday, assumed=assumed, gap=gap, **flags)


@pytest.mark.parametrize("with_rules", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_columns_make_the_plans_that_single_statements_make(calendar: Calendar, seed: int, with_rules: bool) -> None:
    """Few days and two requests, so that rows contradict each other, and some state what is known."""
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(1, 40))
    rules = OpeningRules.of(calendar, CUTOFF) if with_rules else None
    request, store = rng.integers(0, 2, n_rows), rng.integers(0, STORES, n_rows)
    day = rng.integers(CUTOFF - 3, CUTOFF - 3 + int(rng.integers(2, 30)), n_rows)
    stated = np.stack(
        [rng.integers(0, len(STATE_HOLIDAYS) if name == "state_holiday" else 2, n_rows) for name in FIELDS]
    )
    known = np.stack([getattr(calendar, name)[store, day] for name in FIELDS])
    stated = np.where(rng.random(stated.shape) < rng.random(), known, stated)
    stated[rng.random(stated.shape) < 0.5] = NOT_STATED
    slow = Statements(calendar, rules)
    for row in range(n_rows):
        values = [(bit, int(value)) for bit, value in enumerate(stated[:, row]) if value >= 0]
        slow.add(int(request[row]), int(store[row]), int(day[row]), values)
    expected, plan = slow.plan(), plan_of(calendar, rules, request, store, day, stated.astype(np.int8))
    assert (plan is None) == (expected is None)
    if plan is None or expected is None:
        return
    assert ((plan.row < 0) == (expected.row < 0)).all()
    planned = plan.row >= 0
    for name in ("stores", *GRIDS):
        ours, theirs = (getattr(p.calendar, name)[p.row[planned]] for p in (plan, expected))
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


def test_a_statement_of_what_is_known_makes_no_plan(calendar: Calendar) -> None:
    store, day = np.array([1, 2]), np.array([CUTOFF, CUTOFF - 1])
    stated = np.stack([getattr(calendar, name)[store, day] for name in FIELDS]).astype(np.int8)
    assert plan_of(calendar, None, np.zeros_like(store), store, day, stated) is None


def test_plans_are_copies(calendar: Calendar) -> None:
    before = {field.name: np.copy(getattr(calendar, field.name)) for field in fields(calendar)}
    stated = np.full((len(FIELDS), 1), NOT_STATED, dtype=np.int8)
    stated[1] = 1 - calendar.promo[0, CUTOFF + 5]
    plan = plan_of(calendar, None, np.array([0]), np.array([0]), np.array([CUTOFF + 5]), stated)
    assert plan is not None
    assert plan.calendar.promo[0, CUTOFF + 5] == stated[1, 0]
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(calendar, name), array)
