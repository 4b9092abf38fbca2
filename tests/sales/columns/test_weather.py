"""Columns about the weather: seasonal averages in the future, and nothing for a store without a state."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from sales.columns import weather
from sales.features import Features
from sales.panel import MISSING, WEATHER, Panel
from tests.sales.forecasts import HORIZON
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables

TEMPERATURE = WEATHER.index("Mean_TemperatureC")


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


def season(date: dt.date) -> int:
    return min(int(date.strftime("%j")), 365) - 1


def test_a_future_day_has_the_mean_of_the_15_days_around_it_in_all_years(panel: Panel) -> None:
    columns = weather.state_columns(panel)
    for ahead in (1, 30, 200):
        day = panel.cutoff + ahead
        wanted = season(panel.calendar.date(day))
        seasons = [season(panel.calendar.date(past)) for past in range(panel.cutoff + 1)]
        near = [
            float(panel.weather[0, past, TEMPERATURE])
            for past, that in enumerate(seasons)
            if min((that - wanted) % 365, (wanted - that) % 365) <= 7
        ]
        assert columns["Mean_TemperatureC"][0, day] == pytest.approx(np.nanmean(near), rel=1e-5)


def test_a_past_day_has_its_weather_or_the_average(panel: Panel) -> None:
    past = slice(0, panel.cutoff + 1)
    columns = weather.state_columns(panel)["Mean_TemperatureC"][:-1, past]
    known = np.where(np.arange(panel.calendar.days)[:, None] <= panel.cutoff, panel.weather, np.nan)
    average = weather.climatology(known, panel.date)
    observed = columns == panel.weather[:, past, TEMPERATURE]
    assert 0.45 < observed.mean() < 0.55
    np.testing.assert_array_equal(columns[~observed], average[:, past, TEMPERATURE][~observed])


@pytest.mark.parametrize("mode", ["production", "parity"])
def test_a_store_without_a_state_has_no_weather(panel: Panel, mode: str) -> None:
    """It had that of the last state."""
    state = panel.state.copy()
    state[3] = MISSING
    features = Features(replace(panel, state=state), mode, horizon=HORIZON)  # type: ignore[arg-type]
    columns = features.build(np.array([3]), np.array([panel.cutoff - 100]))
    place = features.feature_set.cont_names.index("Mean_TemperatureC")
    assert np.isnan(columns.conts[0, place])
