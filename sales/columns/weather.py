"""Columns about the weather in a store's state."""

from collections.abc import Collection

import numpy as np

from sales.arrays import Bool, Float32, Int64
from sales.calendar import datepart
from sales.columns.column import Column, Table
from sales.panel import WEATHER, Panel

REQUEST_FIELDS = {  # by column: field of ``weather`` in a request
    "Max_TemperatureC": "max_temperature",
    "Mean_TemperatureC": "mean_temperature",
    "Min_TemperatureC": "min_temperature",
    "Max_Humidity": "max_humidity",
    "Mean_Humidity": "mean_humidity",
    "Min_Humidity": "min_humidity",
    "Max_Wind_SpeedKm_h": "max_wind_speed",
    "Mean_Wind_SpeedKm_h": "mean_wind_speed",
    "CloudCover": "cloud_cover",
    "Precipitationmm": "precipitation",
    "Events": "events",
}
_PRODUCTION = ("Mean_TemperatureC", "Mean_Humidity", "Mean_Wind_SpeedKm_h", "CloudCover", "Precipitationmm")

COLUMNS = tuple(Column(name, "cont", "weather", REQUEST_FIELDS[name]) for name in _PRODUCTION)


def state_columns(panel: Panel) -> Table:
    """Return the ``[state + 1, day]`` columns. The last row is for stores without a state, whose weather is unknown.

    Future weather is the weather forecast of the tables, and the seasonal average without one. A fixed random half of
    the past days gets the average too, so that the network learns to work with both.
    """
    weather = panel.weather
    past = np.arange(panel.calendar.days) <= panel.cutoff
    average = climatology(np.where(past[:, None], weather, np.float32(np.nan)), panel.date)
    observed = past & (np.random.default_rng(0).random(weather.shape[:2]) < 0.5)
    weather = np.where(observed[:, :, None] | forecast(panel), weather, average)
    return dict(zip(WEATHER, np.moveaxis(with_unknown(weather), 2, 0), strict=True))


def forecast(panel: Panel) -> Bool:
    """Return true where the tables have a weather forecast, ``[state, day, column of WEATHER]``."""
    ahead = np.arange(panel.calendar.days) > panel.cutoff
    return np.asarray(ahead[:, None] & ~np.isnan(panel.weather) & panel.weather_forecast)


def season_only(panel: Panel, names: Collection[str]) -> Bool:
    """Return the days on which a weather column is the seasonal average, ``[state + 1, day]``.

    Args:
        panel: facts of all stores and days.
        names: names of the columns that the model has. The weather of a model without any is never assumed.
    """
    used = [place for place, name in enumerate(WEATHER) if name in names]
    ahead = np.arange(panel.calendar.days) > panel.cutoff
    known = np.asarray(forecast(panel)[:, :, used].all(axis=2))
    no_state = np.zeros((1, len(ahead)), dtype=np.bool_)
    return np.asarray(ahead & bool(used) & ~np.concatenate([known, no_state]))


def with_unknown(weather: Float32) -> Float32:
    """Append a state with unknown weather, which the code -1 of a store without a state selects."""
    return np.concatenate([weather, np.full_like(weather[:1], np.nan)])


def climatology(weather: Float32, date: Int64) -> Float32:
    """Return ``[state, day, column]``, the mean over all years of the 15 days around the date; NaN without any."""
    season = np.minimum(datepart(date)["Dayofyear"], 365) - 1
    known = ~np.isnan(weather)
    total, count = np.zeros((2, len(weather), 365, weather.shape[2]))
    for day in range(weather.shape[1]):
        total[:, season[day]] += np.where(known[:, day], weather[:, day], 0)
        count[:, season[day]] += known[:, day]
    total, count = (
        np.sum([np.roll(values, days, axis=1) for days in range(-7, 8)], axis=0) for values in (total, count)
    )
    average = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return average[:, season].astype(np.float32)
