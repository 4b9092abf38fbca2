"""Columns about competitors: months since the opening, and nothing about openings after the last known day."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from sales.columns import competition
from sales.columns.competition import Competition
from sales.features import Features
from sales.panel import NEVER, Panel
from tests.sales.forecasts import HORIZON
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    """Competitors that opened long ago, in 1989, during the tables, and never."""
    panel = panel_from_tables(demo_tables)
    years, months = panel.competition_year.copy(), panel.competition_month.copy()
    years[:5], months[:5] = [2005, 1989, 2014, 2015, NEVER], [3, 12, 6, 6, 1]
    return replace(panel, competition_year=years, competition_month=months)


def expected(panel: Panel, store: int, day: int, origin: int) -> dict[str, float]:
    opened = dt.date(int(panel.competition_year[store]), int(panel.competition_month[store]), 15)
    if opened.year < 1990:
        return {"CompetitionMonths": 24, "CompetitionOpen": 0}
    if opened > panel.calendar.date(origin):
        return {"CompetitionMonths": 0, "CompetitionOpen": 0}
    days = (panel.calendar.date(day) - opened).days
    return {
        "CompetitionMonths": min(days / 30, 24),
        "CompetitionOpen": 1,
    }


def test_columns_equal_differences_of_dates(panel: Panel) -> None:
    rng = np.random.default_rng(0)
    store, day = rng.integers(5, size=200), rng.integers(50, panel.cutoff, 200)
    origin = day - rng.integers(1, 50, 200)
    columns = Competition(panel).columns(store, day, origin)
    assert tuple(columns) == competition.NAMES
    for row in range(200):
        values = {name: float(column[row]) for name, column in columns.items()}
        assert values == pytest.approx(expected(panel, *map(int, (store[row], day[row], origin[row]))))
    assert (columns["CompetitionOpen"] == 0).any()
    assert (columns["CompetitionOpen"] == 1).any()


def test_a_competitor_that_opens_after_the_cutoff_changes_no_forecast(panel: Panel) -> None:
    """Months until an opening were known half a year ahead."""
    years, months = panel.competition_year.copy(), panel.competition_month.copy()
    later = panel.calendar.date(panel.cutoff + 40)
    years[0], months[0] = later.year, later.month
    opens_later = replace(panel, competition_year=years, competition_month=months)
    opens_next_year = replace(panel, competition_year=np.where(np.arange(len(years)) == 0, later.year + 1, years))
    day = panel.cutoff + 1 + np.arange(49)
    store = np.zeros_like(day)
    soon, late = (
        Features(known, "production", horizon=HORIZON).build(store, day) for known in (opens_later, opens_next_year)
    )
    for columns, others in zip(soon, late, strict=True):
        np.testing.assert_array_equal(columns, others)
