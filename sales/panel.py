"""All that is known about the stores and days, as arrays: made from the tables offline, kept in the bundle.

Training and serving look their columns up in the same panel; so a forecast can be repeated offline to the digit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sales.arrays import AnyArray, Float32, Int32, Int64
from sales.calendar import Calendar

MISSING = -1  # the raw code of a category without a value
DAYS_AHEAD = 366  # how far beyond the data's cutoff the calendar goes, on assumptions where no plan is stated
WEATHER = (
    "Max_TemperatureC", "Mean_TemperatureC", "Min_TemperatureC",
    "Max_Humidity", "Mean_Humidity", "Min_Humidity",
    "Max_Wind_SpeedKm_h", "Mean_Wind_SpeedKm_h", "CloudCover", "Precipitationmm",
)  # fmt: skip
FORTNIGHT = 14  # days
YEAR = 364  # days; 52 weeks, so that it ends on the same weekday
NEVER = 1900  # the year that the lesson's notebook puts where a competitor or Promo2 has no start

Levels = dict[str, tuple[int | str, ...]]


@dataclass(frozen=True)
class Panel:
    """What is known of the stores and days when the forecast is made. Days index the calendar's columns.

    Attributes:
        calendar: the plan, ``[store, day]``.
        levels: what a column's codes stand for: words, and the stores' ids, ascending. A code is an index.
        cutoff: the last day whose sales are known. What comes after is a forecast.
        store_type: ``[store]`` codes, as are ``assortment``, ``promo_interval`` and ``state``; -1 is missing.
        competition_distance: ``[store]`` in metres, NaN where not known.
        competition_year: ``[store]``, 1900 where there is none; with ``competition_month`` 1 to 12.
        promo2_year: ``[store]``, 1900 where there is none; with the ISO week ``promo2_week``.
        weather: ``[state, day, column of WEATHER]``, observed or forecast, NaN where not known.
        events: ``[state, day]`` codes of weather events.
        trend: ``[state + 1, week]``, Google's search interest; the last row is the whole country's.
        trend_week: the date of the Sunday that begins week 0, in days since 1970-01-01.
        sales: ``[store, day]``, NaN where a store was closed or its sales are not known.
    """

    calendar: Calendar
    levels: Levels
    cutoff: int
    store_type: Int32
    assortment: Int32
    promo_interval: Int32
    state: Int32
    competition_distance: Float32
    competition_year: Int32
    competition_month: Int32
    promo2_year: Int32
    promo2_week: Int32
    weather: Float32
    events: Int32
    trend: Float32
    trend_week: int
    sales: Float32

    @property
    def first_day(self) -> int:
        """The date of day 0, in days since 1970-01-01."""
        return self.calendar.first_day

    @property
    def date(self) -> Int64:
        """``[day]``, the date of each day in days since 1970-01-01."""
        return np.arange(self.first_day, self.first_day + self.calendar.days)

    def arrays(self) -> dict[str, AnyArray]:
        """The panel as flat named arrays, for the bundle; ``Panel.of`` is the way back."""
        own = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name not in ("calendar", "levels")}
        grid = {f"calendar.{f.name}": np.asarray(getattr(self.calendar, f.name)) for f in fields(self.calendar)}
        return {**own, **grid}

    @classmethod
    def of(cls, arrays: dict[str, AnyArray], levels: Levels) -> Panel:
        """A panel from its flat arrays.

        Raises:
            KeyError: if an array is missing.
        """
        scalars = {"first_day", "cutoff", "trend_week"}

        def value(name: str, key: str) -> object:
            return arrays[key].item() if name in scalars else arrays[key]

        calendar = Calendar(**{f.name: value(f.name, f"calendar.{f.name}") for f in fields(Calendar)})  # type: ignore[arg-type]
        own = {f.name: value(f.name, f.name) for f in fields(cls) if f.name not in ("calendar", "levels")}
        return cls(calendar=calendar, levels=levels, **own)  # type: ignore[arg-type]
