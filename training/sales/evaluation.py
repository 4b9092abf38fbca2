"""Evaluation of forecasts on days that the model has not seen, overall and by slice."""

import datetime as dt
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from runtime.errors import UserError
from sales.arrays import Int32
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.columns import own as user_columns
from sales.forecaster import Forecaster
from sales.panel import MISSING, Panel
from sales.uncertainty.calibration import Calibration
from schemas.sales.answer import Forecasts, ItemForecast
from schemas.sales.options import NO_OPTIONS, AnswerOptions
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item, StateHoliday
from training.sales import baselines
from training.sales.data.panel import FACTS, panel_from_tables
from training.sales.data.tables import Tables
from training.sales.intervals.quantiles import total_quantiles_of
from training.sales.metrics import PROBABILITIES, by_slice, interval_score, score
from training.sales.rows import Rows

WEEKDAYS = ("1 Monday", "2 Tuesday", "3 Wednesday", "4 Thursday", "5 Friday", "6 Saturday", "7 Sunday")
WEEK = "Week of the horizon"  # a kind of slice
HOLIDAYS = ("0 none", "a public holiday", "b Easter", "c Christmas")


_REQUESTS = 256  # requests in one call of the model, of a store's days each


class HoldoutError(UserError):
    """Tables or options that leave nothing to train on or nothing to evaluate on."""


@dataclass(frozen=True)
class Evaluation:
    """Forecasts beside the actual sales.

    Attributes:
        panel: panel with the sales of the evaluated days.
        cutoff: last day whose sales the model knew, as an index into the panel.
        rows: evaluated store-days, all after the cutoff.
        forecast: ``[row]``, forecast sales.
        skipped: number of store-days with sales after the cutoff that are not evaluated, by reason.
        quantiles: ``[row, probability]``, forecast quantiles of ``PROBABILITIES``; None if there are none.
        totals: ``[store, 1 + probability]``, the sales of each evaluated store over the evaluated days, and the
            quantiles of their forecast; None if there are none.
    """

    panel: Panel
    cutoff: int
    rows: Rows
    forecast: NDArray[np.float64]
    skipped: Mapping[str, int] = field(default_factory=dict)
    quantiles: NDArray[np.float64] | None = None
    totals: NDArray[np.float64] | None = None

    def date(self, day: int) -> dt.date:
        """Return the date of a day of the panel."""
        return self.panel.calendar.date(day)

    def last_year(self) -> NDArray[np.float32]:
        """Return the sales of the same weekday 52 weeks before, ``[row]``; NaN where none are known."""
        return baselines.last_year(self._known, self.rows)

    def weekday_promotion_mean(self) -> NDArray[np.float64]:
        """Return the mean of sales by store, weekday and promotion, ``[row]``; NaN where no sales are known."""
        return baselines.weekday_promotion_mean(self._known, self.rows)

    @cached_property
    def _known(self) -> Panel:
        """The panel as it was known at the cutoff."""
        return baselines.known_until(self.panel, self.cutoff)

    def metrics(self) -> dict[str, Any]:
        """Return the model's figures over all rows, and those of the baselines.

        The figures of the weekday-and-promotion mean are over all rows, too. If there are rows whose sales of 52 weeks
        before are known, two more figures are on these rows: of the model, and of those sales as a forecast.
        """
        naive, mean = self.last_year(), self.weekday_promotion_mean()
        both = ~np.isnan(naive)
        figures: dict[str, Any] = {
            "from": self.date(int(self.rows.day.min())).isoformat(),
            "to": self.date(int(self.rows.day.max())).isoformat(),
            **score(self.rows.sales, self.forecast),
        }
        if not np.isnan(mean).any():
            figures["weekday_promotion_mean"] = score(self.rows.sales, mean)
        if both.any():
            figures["where_last_year_is_known"] = score(self.rows.sales[both], self.forecast[both])
            figures["last_year_same_weekday"] = score(self.rows.sales[both], naive[both])
        if self.quantiles is not None:
            figures["served_intervals"] = interval_score(self.rows.sales, self.quantiles)
        if self.totals is not None:
            figures["served_totals"] = interval_score(self.totals[:, 0], self.totals[:, 1:])
        return figures

    def labels(self) -> dict[str, NDArray[np.str_]]:
        """Return the slice of each row, ``[row]``, by kind of slice."""
        panel, store, day = self.panel, self.rows.store, self.rows.day
        calendar, week = panel.calendar, (day - self.cutoff - 1) // 7 + 1
        return {
            "Store type": _words(panel.levels["StoreType"], panel.store_type[store]),
            "Assortment": _words(panel.levels["Assortment"], panel.assortment[store]),
            "State": _words(panel.levels["State"], panel.state[store]),
            "Promotion": np.where(calendar.promo[store, day] > 0, "promo", "no promo"),
            "State holiday": np.array(HOLIDAYS)[calendar.state_holiday[store, day]],
            "Weekday": np.array(WEEKDAYS)[(panel.first_day + day + 3) % 7],
            WEEK: np.char.add("week ", np.char.zfill(week.astype(str), len(str(week.max())))),
        }

    def slices(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """Return the figures by store type, assortment, state, promotion, holiday, weekday and week of the horizon."""
        return {name: by_slice(self.rows.sales, self.forecast, label) for name, label in self.labels().items()}

    def interval_slices(self) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
        """Return the figures of the intervals by kind of slice and slice; empty if there are none."""
        if self.quantiles is None:
            return {}
        return {
            kind: {
                str(label): interval_score(self.rows.sales[labels == label], self.quantiles[labels == label])
                for label in np.unique(labels)
            }
            for kind, labels in self.labels().items()
        }


def evaluate(forecaster: Forecaster, tables: Tables) -> Evaluation:
    """Evaluate a bundle on the sales after its cutoff, with forecasts as a client would get them.

    The requests state the facts that the tables have of every day up to the bundle's horizon: open, promotion and
    holidays, of closed days too. The model is not judged on days beyond its horizon, and stores that it does not know
    are skipped. ``skipped`` has their numbers.

    Raises:
        HoldoutError: if the tables have no sales of a known store within the horizon.
    """
    panel = panel_from_tables(tables)
    cutoff = panel.calendar.day(forecaster.cutoff)
    last = cutoff + forecaster.model.horizon
    sold = Rows.sold(panel, after=cutoff)
    if not len(sold):
        raise HoldoutError(
            f"the tables have no sales after {forecaster.cutoff}, the last day that the model has seen, and a model is "
            "not judged on what it has seen; name tables with later sales, or see the holdout in the bundle's report"
        )
    stores = {*forecaster.model.panel.store_ids}
    known = np.array([store in stores for store in panel.store_ids])
    late, unknown = sold.day > last, ~known[sold.store]
    rows = sold.where(~late & ~unknown)
    skipped = {
        "stores that the model does not know": int(unknown.sum()),
        f"days beyond the horizon of {forecaster.model.horizon} days": int((late & ~unknown).sum()),
    }
    skipped = {reason: count for reason, count in skipped.items() if count}
    if not len(rows):
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in skipped.items())
        raise HoldoutError(
            f"none of the {len(sold):,} store-days with sales after {forecaster.cutoff} can be judged ({reasons}); "
            "name tables of the bundle's stores with sales soon after that day"
        )
    days = _stated_days(panel, known, slice(max(cutoff + 1, 0), last + 1))
    facts = frozenset(field for field, column in FACTS.items() if tables.states_somewhere(column))
    answers = _forecasts(forecaster, panel, days, facts)
    judged = np.array([answers[cell] for cell in zip(rows.store.tolist(), rows.day.tolist(), strict=True)])
    forecast, quantiles = judged[:, 0], judged[:, 1:]
    calibration = forecaster.model.calibration
    if calibration is None:
        return Evaluation(panel, cutoff, rows, forecast, skipped)
    place = {store: index for index, store in enumerate(forecaster.model.panel.store_ids)}
    served = Rows(np.array([place[panel.store_ids[store]] for store in rows.store.tolist()]), rows.day, rows.sales)
    median = forecast / calibration.factors[forecaster.model.objective]
    totals = _totals(calibration, served, median, cutoff)
    return Evaluation(panel, cutoff, rows, forecast, skipped, quantiles, totals)


def _totals(calibration: Calibration, rows: Rows, median: NDArray[np.float64], cutoff: int) -> NDArray[np.float64]:
    """Return the sales of each store over all rows, and the quantiles of their forecast, ``[store, 1 + probability]``.

    Args:
        calibration: the model's calibration.
        rows: store-days, whose stores index the calibration's.
        median: ``[row]``, median forecasts.
        cutoff: last day whose sales the model knew.
    """
    stores = np.unique(rows.store)
    quantiles = total_quantiles_of(calibration, rows.store, rows.day - cutoff - 1, median, stores.tolist())
    sales = np.asarray(np.bincount(rows.store, weights=rows.sales), np.float64)[stores]
    return np.column_stack([sales, quantiles])


def _stated_days(panel: Panel, known: NDArray[np.bool_], days: slice) -> Rows:
    """Return the store-days that the tables state at least in part, of known stores."""
    assumed = panel.calendar.assumed[:, days]
    # State holidays are known from the country's calendar too, and facts that the chain does not have never assumed.
    facts = np.bitwise_or.reduce(panel.calendar.assumed, axis=None) & ~np.uint8(1 << FIELDS.index("state_holiday"))
    stated = (assumed & facts != facts) & known[:, None]
    sold = ~np.isnan(panel.sales[:, days])
    store, day = np.nonzero(stated | (sold & known[:, None]))
    day += days.start
    return Rows(store, day, panel.sales[store, day])


def _forecasts(
    forecaster: Forecaster, panel: Panel, rows: Rows, facts: AbstractSet[str]
) -> dict[tuple[int, int], list[float]]:
    """Return the forecasts of store-days by store and day, from one request that states the plan of all of them.

    A forecast is a list of the sales and, if the model has intervals, of the quantiles of ``PROBABILITIES``.

    Without a column Open, nobody knows beforehand which days will have sales. A day with sales that is assumed closed
    is then forecast by a separate request, which states that it is open.

    Args:
        forecaster: the model.
        panel: facts of the tables.
        rows: store-days.
        facts: fields of a request whose columns the tables have.

    Raises:
        HoldoutError: if one of them can't be forecast.
    """
    items = _items(panel, rows, facts)
    (answers,) = _answers(forecaster, [items])
    cells = list(zip(rows.store.tolist(), rows.day.tolist(), strict=True))
    forecasts = dict(zip(cells, answers, strict=True))
    closed = [row for row in np.flatnonzero(rows.sales > 0).tolist() if answers[row][0] == 0]
    for start in range(0, len(closed), _REQUESTS):
        chosen = closed[start : start + _REQUESTS]
        requests = []
        for row in chosen:
            same_store = np.flatnonzero(rows.store == rows.store[row]).tolist()
            others = [items[other] for other in same_store if other != row]
            requests.append([items[row].model_copy(update={"open": True}), *others])
        for row, answer in zip(chosen, _answers(forecaster, requests), strict=True):
            forecasts[cells[row]] = answer[0]
    return forecasts


def _items(panel: Panel, rows: Rows, facts: AbstractSet[str]) -> list[Item]:
    """Return an item for each store-day, with the facts that the tables state about it."""
    calendar = panel.calendar

    def stated(field: str, store: int, day: int, value: Any) -> Any:
        """Return a fact of a day, or None where no table states it."""
        assumed = calendar.assumed[store, day] >> FIELDS.index(field) & 1
        return None if assumed or field not in facts else value

    def opening(store: int, day: int, sold: bool) -> bool | None:
        """Return the opening of a day, or None where it is not known beforehand."""
        if "open" not in facts and not np.isnan(panel.sales[store, day]):
            return None
        return True if sold else cast(bool | None, stated("open", store, day, bool(calendar.open[store, day])))

    return [
        Item(
            store=panel.store_ids[store],
            date=calendar.date(day),
            open=opening(store, day, sold),
            promo=stated("promo", store, day, bool(calendar.promo[store, day])),
            state_holiday=cast(
                StateHoliday | None,
                stated("state_holiday", store, day, STATE_HOLIDAYS[calendar.state_holiday[store, day]]),
            ),
            school_holiday=stated("school_holiday", store, day, bool(calendar.school_holiday[store, day])),
            columns=user_columns.stated(panel, store, day) or None,
        )
        for store, day, sold in zip(rows.store.tolist(), rows.day.tolist(), (rows.sales > 0).tolist(), strict=True)
    ]


def _answers(forecaster: Forecaster, requests: Sequence[Sequence[Item]]) -> list[list[list[float]]]:
    """Return the forecast of each item of each request, as `_forecasts` describes it.

    Raises:
        HoldoutError: if one of them can't be forecast.
    """
    options = NO_OPTIONS if forecaster.model.calibration is None else AnswerOptions(quantiles=[*PROBABILITIES])
    answers = forecaster.predict([ForecastRequest(tuple(items), single=False, options=options) for items in requests])
    forecasts = []
    for answer in answers:
        if not isinstance(answer, Forecasts):
            raise HoldoutError(answer.detail if hasattr(answer, "detail") else str(answer))
        bad = [result for result in answer.items if not isinstance(result, ItemForecast)]
        if bad:
            raise HoldoutError(
                f"{len(bad):,} of {len(answer.items):,} rows can't be forecast; the first: {bad[0].problem.detail}"
            )
        forecasts.append(
            [
                [result.sales, *(quantile.sales for quantile in result.quantiles or ())]
                for result in answer.items
                if isinstance(result, ItemForecast)
            ]
        )
    return forecasts


def _words(levels: tuple[int | str, ...], codes: Int32) -> NDArray[np.str_]:
    """Return the words for codes."""
    return np.array([*map(str, levels), "not known"])[np.where(codes == MISSING, len(levels), codes)]
