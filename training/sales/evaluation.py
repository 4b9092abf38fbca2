"""Evaluation of forecasts on days that the model has not seen, overall and by slice."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from runtime.errors import UserError
from sales.arrays import Int32
from sales.calendar import STATE_HOLIDAYS
from sales.forecaster import Forecaster
from sales.panel import MISSING, YEAR, Panel
from schemas.sales.answer import Forecasts, ItemForecast
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item, StateHoliday
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.metrics import by_slice, score

WEEKDAYS = ("1 Monday", "2 Tuesday", "3 Wednesday", "4 Thursday", "5 Friday", "6 Saturday", "7 Sunday")
HOLIDAYS = ("0 none", "a public holiday", "b Easter", "c Christmas")


class HoldoutError(UserError):
    """Tables or options that leave nothing to train on or nothing to evaluate on."""


@dataclass(frozen=True)
class Rows:
    """Store-days with their sales. All arrays are ``[row]``; ``store`` and ``day`` index the panel."""

    store: NDArray[np.int64]
    day: NDArray[np.int64]
    sales: NDArray[np.float32]

    @classmethod
    def sold(cls, panel: Panel, *, after: int = -1) -> "Rows":
        """Return the store-days with sales after day ``after``, as far as the panel knows."""
        store, day = np.nonzero(~np.isnan(panel.sales))
        rows = np.flatnonzero(day > after)
        return cls(store[rows], day[rows], panel.sales[store[rows], day[rows]])

    def __len__(self) -> int:
        return len(self.store)


@dataclass(frozen=True)
class Evaluation:
    """Forecasts beside the actual sales.

    Attributes:
        panel: panel with the sales of the evaluated days.
        cutoff: last day whose sales the model knew, as an index into the panel.
        rows: evaluated store-days, all after the cutoff.
        forecast: ``[row]``, forecast sales.
    """

    panel: Panel
    cutoff: int
    rows: Rows
    forecast: NDArray[np.float64]

    def date(self, day: int) -> dt.date:
        """Return the date of a day of the panel."""
        return self.panel.calendar.date(day)

    def last_year(self) -> NDArray[np.float32]:
        """Return the sales of the same weekday 52 weeks before, ``[row]``; NaN where none are known."""
        before = self.rows.day - YEAR
        sales = self.panel.sales[self.rows.store, np.maximum(before, 0)]
        return np.where((before >= 0) & (before <= self.cutoff), sales, np.float32(np.nan))

    def metrics(self) -> dict[str, Any]:
        """Return the model's figures over all rows.

        If there are rows whose sales of 52 weeks before are known, also return two figures on these rows: of the model,
        and of those sales as a forecast.
        """
        naive = self.last_year()
        both = ~np.isnan(naive)
        figures: dict[str, Any] = {
            "from": self.date(int(self.rows.day.min())).isoformat(),
            "to": self.date(int(self.rows.day.max())).isoformat(),
            **score(self.rows.sales, self.forecast),
        }
        if both.any():
            figures["where_last_year_is_known"] = score(self.rows.sales[both], self.forecast[both])
            figures["last_year_same_weekday"] = score(self.rows.sales[both], naive[both])
        return figures

    def slices(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """Return the figures by store type, assortment, state, promotion, holiday, weekday and week of the horizon."""
        panel, store, day = self.panel, self.rows.store, self.rows.day
        calendar, week = panel.calendar, (day - self.cutoff - 1) // 7 + 1
        labels = {
            "Store type": _words(panel.levels["StoreType"], panel.store_type[store]),
            "Assortment": _words(panel.levels["Assortment"], panel.assortment[store]),
            "State": _words(panel.levels["State"], panel.state[store]),
            "Promotion": np.where(calendar.promo[store, day] > 0, "promo", "no promo"),
            "State holiday": np.array(HOLIDAYS)[calendar.state_holiday[store, day]],
            "Weekday": np.array(WEEKDAYS)[(panel.first_day + day + 3) % 7],
            "Week of the horizon": np.char.add("week ", np.char.zfill(week.astype(str), len(str(week.max())))),
        }
        return {name: by_slice(self.rows.sales, self.forecast, label) for name, label in labels.items()}


def evaluate(forecaster: Forecaster, tables: Tables) -> Evaluation:
    """Evaluate a bundle on the sales after its cutoff, with forecasts as a client would get them.

    The requests state the plan of those days (open, promotion, holidays) as the tables have it.

    Raises:
        HoldoutError: if the tables have no sales after the bundle's cutoff, or a store that it does not know.
    """
    panel = panel_from_tables(tables)
    cutoff = panel.calendar.day(forecaster.cutoff)
    rows = Rows.sold(panel, after=cutoff)
    if not len(rows):
        raise HoldoutError(
            f"the tables have no sales after {forecaster.cutoff}, the last day that the model has seen, and a model is "
            "not judged on what it has seen; name tables with later sales, or see the holdout in the bundle's report"
        )
    calendar = panel.calendar
    items = tuple(
        Item(
            store=int(calendar.stores[store]),
            date=calendar.date(day),
            open=True,
            promo=bool(calendar.promo[store, day]),
            state_holiday=cast(StateHoliday, STATE_HOLIDAYS[calendar.state_holiday[store, day]]),
            school_holiday=bool(calendar.school_holiday[store, day]),
        )
        for store, day in zip(rows.store.tolist(), rows.day.tolist(), strict=True)
    )
    (answer,) = forecaster.predict([ForecastRequest(items, single=False)])
    if not isinstance(answer, Forecasts):
        raise HoldoutError(answer.detail if hasattr(answer, "detail") else str(answer))
    bad = [result for result in answer.items if not isinstance(result, ItemForecast)]
    if bad:
        raise HoldoutError(f"{len(bad):,} of {len(items):,} rows can't be forecast; the first: {bad[0].problem.detail}")
    forecast = np.array([result.sales for result in answer.items if isinstance(result, ItemForecast)])
    return Evaluation(panel, cutoff, rows, forecast)


def _words(levels: tuple[int | str, ...], codes: Int32) -> NDArray[np.str_]:
    """Return the words for codes."""
    return np.array([*map(str, levels), "not known"])[np.where(codes == MISSING, len(levels), codes)]
