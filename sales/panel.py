"""Panel: all known facts of stores and days as arrays, made from the tables in training and saved in the bundle.

Training and serving look up their columns in the same panel, so that an offline forecast repeats a served one exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from sales.arrays import AnyArray, Float32, Float64, Int32, Int64
from sales.calendar import FIELDS, Calendar

MISSING = -1  # raw code of a missing category
DAYS_AHEAD = 366  # days of the calendar after the cutoff; days without a plan have assumed values
WEATHER = (
    "Max_TemperatureC", "Mean_TemperatureC", "Min_TemperatureC",
    "Max_Humidity", "Mean_Humidity", "Min_Humidity",
    "Max_Wind_SpeedKm_h", "Mean_Wind_SpeedKm_h", "CloudCover", "Precipitationmm",
)  # fmt: skip
YEAR = 364  # days; 52 weeks, so that it begins and ends on the same weekday
NEVER = 1900  # year of a missing start of a competitor or of Promo2, as in the fast.ai lesson

Levels = dict[str, tuple[int | str, ...]]


@dataclass(frozen=True)
class Panel:
    """Facts of stores and days that are known when the forecast is made. Days index the calendar's columns.

    Attributes:
        calendar: ``[store, day]``, the planned calendar.
        levels: words of each column's codes, and the stores' ids, ascending. A code is an index.
        cutoff: last day whose sales are known.
        store_type: ``[store]``, codes; -1 is missing. The same holds for assortment, promo_interval and state.
        competition_distance: ``[store]``, metres to the nearest competitor; NaN where unknown.
        competition_year: ``[store]``, year in which the competitor opened; 1900 where there is none.
        competition_month: ``[store]``, month in which the competitor opened, 1 to 12.
        promo2_year: ``[store]``, year in which Promo2 began; 1900 where there is none.
        promo2_week: ``[store]``, ISO week in which Promo2 began.
        weather: ``[state, day, column of WEATHER]``, observed or forecast; NaN where unknown.
        weather_forecast: true if the weather after the cutoff is a forecast that the model may use.
        events: ``[state, day]``, codes of weather events.
        trend: ``[state + 1, week]``, interest in Google searches; the last row is the whole country's.
        trend_week: date of the Sunday that begins week 0, in days since 1970-01-01.
        sales: ``[store, day]``, sales; NaN where a store was closed or its sales are unknown.
        unit: power of ten in which the model learns sales; see ``decade``.
        own_events: ``[event, 5]``, events of the user's: code, first and last day, store and state. A code indexes the
            level ``OwnEvent``, whose code 0 is none. The store or state -1 stands for all of them.
        official: ``[state + 1, day]``, numbers of the official holidays of the country: the same for all days of one
            holiday, such as Thanksgiving; 0 on other days. The last row is for stores without a state.
        own_store: ``[column, store]``, values of the user's columns by store; NaN where unknown. The levels declare
            the columns; see ``sales.columns.own``.
        own_day: ``[column, day]``, the same by day.
        own_cell: ``[column, store, day]``, the same by store and day.
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
    sales: Float64
    unit: float = 1.0
    own_events: Int32 = field(default_factory=lambda: np.zeros((0, 5), dtype=np.int32))
    weather_forecast: bool = False
    official: Int32 = field(default_factory=lambda: np.zeros((1, 0), dtype=np.int32))
    own_store: Float32 = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    own_day: Float32 = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    own_cell: Float32 = field(default_factory=lambda: np.zeros((0, 0, 0), dtype=np.float32))

    @property
    def store_ids(self) -> tuple[int | str, ...]:
        """Ids of the stores in the tables, ``[store]``. If they are texts, ``calendar.stores`` numbers them from 1."""
        return self.levels["Store"]

    @property
    def lists_open_days_only(self) -> bool:
        """True if the tables state no closed day before the cutoff. A row of a store and a day then means open."""
        past = np.s_[:, : self.cutoff + 1]
        calendar = self.calendar
        stated = calendar.assumed[past] >> FIELDS.index("open") & 1 == 0
        return not (stated & (calendar.open[past] == 0)).any()

    @property
    def log_sales(self) -> Float64:
        """Logarithm of the sales in the model's unit, ``[store, day]``; NaN where unknown."""
        return np.asarray(np.log(self.sales / self.unit))

    @property
    def first_day(self) -> int:
        """Date of day 0, in days since 1970-01-01."""
        return self.calendar.first_day

    @property
    def date(self) -> Int64:
        """Date of each day, ``[day]``, in days since 1970-01-01."""
        return np.arange(self.first_day, self.first_day + self.calendar.days)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the panel as named arrays, for the bundle. ``Panel.of`` is the inverse."""
        panel = {
            f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name not in ("calendar", "levels")
        }
        calendar = {f"calendar.{f.name}": np.asarray(getattr(self.calendar, f.name)) for f in fields(self.calendar)}
        return {**panel, **calendar}

    @classmethod
    def of(cls, arrays: dict[str, AnyArray], levels: Levels) -> Panel:
        """Return the panel from named arrays, as ``arrays`` returns them.

        Raises:
            KeyError: if an array is missing.
        """
        scalars = {"first_day", "cutoff", "trend_week", "unit", "weather_forecast"}

        def value(name: str, key: str) -> object:
            return arrays[key].item() if name in scalars else arrays[key]

        calendar = Calendar(**{f.name: value(f.name, f"calendar.{f.name}") for f in fields(Calendar)})  # type: ignore[arg-type]
        others = {f.name: value(f.name, f.name) for f in fields(cls) if f.name not in ("calendar", "levels")}
        return cls(calendar=calendar, levels=levels, **others)  # type: ignore[arg-type]


def decade(sales: Float64) -> float:
    """Return the power of ten at or below the median of the sales that are known.

    Sales of another currency or unit, divided by it, are the same numbers to the last digit. So boosted trees, which
    take another branch for a difference in the last digit, are the same too.
    """
    known = sales[~np.isnan(sales)]
    return float(f"1e{f'{np.median(known):e}'.split('e')[1]}") if known.size else 1.0
