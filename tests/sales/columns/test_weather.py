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
    """The weather table of the demonstration ends 48 days after the sales."""
    columns = weather.state_columns(panel)
    for ahead in (49, 90, 200):
        day = panel.cutoff + ahead
        wanted = season(panel.calendar.date(day))
        seasons = [season(panel.calendar.date(past)) for past in range(panel.cutoff + 1)]
        near = [
            float(panel.weather[0, past, TEMPERATURE])
            for past, that in enumerate(seasons)
            if min((that - wanted) % 365, (wanted - that) % 365) <= 7
        ]
        assert columns["Mean_TemperatureC"][0, day] == pytest.approx(np.nanmean(near), rel=1e-5)


def test_weather_rows_after_the_sales_are_the_weather_forecast(panel: Panel) -> None:
    """Each known value counts, and the average stands in for a missing one."""
    day = panel.cutoff + 3
    partly = panel.weather.copy()
    partly[0, day, TEMPERATURE] = np.nan
    columns = weather.state_columns(replace(panel, weather=partly))
    known = np.where(np.arange(panel.calendar.days)[:, None] <= panel.cutoff, panel.weather, np.nan)
    average = weather.climatology(known, panel.date)[0, day, TEMPERATURE]
    assert columns["Mean_TemperatureC"][0, day] == average != panel.weather[0, day, TEMPERATURE]
    for name in ("Mean_Humidity", "Precipitationmm"):
        assert columns[name][0, day] == panel.weather[0, day, WEATHER.index(name)]
    used = ("Mean_TemperatureC", "Mean_Humidity")
    assumed = weather.season_only(replace(panel, weather=partly), used)
    assert assumed[:2, day].tolist() == [True, False]
    assert assumed[-1, day]  # a store without a state
    assert assumed[:, day + 46].all()
    assert not assumed[:, : panel.cutoff + 1].any()
    assert not weather.season_only(panel, ()).any()


def test_weather_after_an_earlier_cutoff_is_no_forecast(demo_tables: Tables) -> None:
    """It was observed, which nobody could know at the cutoff."""
    earlier = panel_from_tables(demo_tables, cutoff=np.datetime64("2015-05-31"))
    assert weather.season_only(earlier, ("Mean_TemperatureC",))[:, earlier.cutoff + 1 :].all()


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
