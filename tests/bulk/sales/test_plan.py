"""bulk.sales.plan: of several statements about a day, the last one counts, however the rows are cut."""

import numpy as np
import pytest

from bulk.sales.plan import JobPlan, merged, statements
from sales.calendar import FIELDS
from sales.forecaster import Forecaster


@pytest.mark.parametrize("n_parts", [1, 2, 9])
def test_the_last_statement_about_a_day_counts(forecaster: Forecaster, n_parts: int) -> None:
    """A dictionary that is filled row by row has the same statements."""
    calendar, rng, n_rows = forecaster.model.panel.calendar, np.random.default_rng(0), 500
    store, day = rng.integers(0, 5, n_rows), rng.integers(0, 8, n_rows)
    days = rng.integers(-1, 2, (len(FIELDS), n_rows)).astype(np.int8)
    expected = {}
    for row in range(n_rows):
        for field in range(len(FIELDS)):
            if days[field, row] >= 0:
                expected[field, store[row], day[row]] = days[field, row]
    parts = [
        statements(calendar, store[rows], day[rows], days[:, rows])
        for rows in np.array_split(np.arange(n_rows), n_parts)
    ]
    plan = JobPlan(calendar, merged(parts))
    found = {(field, a, b): plan.days[field, a, b] for field, a, b in np.argwhere(plan.days >= 0)}
    assert found == expected


def test_a_job_without_statements_has_an_empty_plan(forecaster: Forecaster) -> None:
    calendar = forecaster.model.panel.calendar
    none = statements(calendar, np.array([1]), np.array([1]), None)
    assert JobPlan(calendar, merged([none, none])).about(np.arange(3)) is None
    assert JobPlan(calendar).about(np.arange(3)) is None
