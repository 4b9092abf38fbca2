"""bulk.sales.plan: of several statements about a day, the last one counts, however the rows are cut."""

import numpy as np
import pytest

from bulk.sales.plan import JobPlan, Survey, merged, read_survey, statements, styles, written
from sales.calendar import FIELDS
from sales.forecaster import Forecaster
from training.sales.data.columns import Column
from training.sales.data.values import parse_texts, readings


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
        written(Survey(*statements(calendar, store[rows], day[rows], days[:, rows])))
        for rows in np.array_split(np.arange(n_rows), n_parts)
    ]
    plan = JobPlan(calendar, read_survey(merged(parts)))
    found = {(field, a, b): plan.days[field, a, b] for field, a, b in np.argwhere(plan.days >= 0)}
    assert found == expected


def test_a_job_without_statements_has_an_empty_plan(forecaster: Forecaster) -> None:
    calendar = forecaster.model.panel.calendar
    none = written(Survey(*statements(calendar, np.array([1]), np.array([1]), None)))
    assert JobPlan(calendar, read_survey(merged([none, none]))).about(np.arange(3)) is None
    assert JobPlan(calendar, read_survey(merged([]))).about(np.arange(3)) is None


def test_merged_surveys_have_the_readings_of_all_parts_in_any_grouping() -> None:
    """German decimals show in one part, and numbers that both rules explain in another."""
    column = Column("number")
    texts = [["1.234", "5"], ["1,5"], ["1,234"], []]
    surveys = [Survey(readings={"x": readings(np.array(part, dtype=object), column)}) for part in texts]
    first, *others = map(written, surveys)
    for content in (merged([first, *others]), merged([merged([first]), merged(others[::-1])])):
        survey = read_survey(content)
        assert survey.readings == {"x": readings(np.array(["1.234", "5", "1,5", "1,234"], dtype=object), column)}
        assert survey.is_complete
        values, _ = parse_texts(np.array(["1.234", "1,234"], dtype=object), column, styles(survey)["x"])
        assert values.tolist() == [1234, 1.234]
    assert not read_survey(merged([first, written(Survey(is_complete=False)), first])).is_complete
