"""Stores of a sales model, and the past sales and the plan of a store."""

import datetime as dt
from difflib import get_close_matches

import numpy as np
from pydantic import TypeAdapter

from sales.arrays import Bool, Int32
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.panel import MISSING, Panel
from schemas.catalogue import History, KnownStore, PlanDay, StoreList
from schemas.problems import Problem, ProblemError, invalid_field
from schemas.sales.manifest import SalesManifest
from schemas.sales.request import Day

MAX_DAYS = 2_000  # of a history; why: a day takes 150 bytes of the answer
_DAY: TypeAdapter[dt.date] = TypeAdapter(Day)


def stores_of(manifest: SalesManifest, panel: Panel) -> StoreList:
    """Return the stores of a model."""
    known: Bool = ~np.isnan(panel.sales)
    first, last = known.argmax(axis=1), known.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    sold = {int(store) for store in np.flatnonzero(known.any(axis=1))}

    def word(column: str, codes: Int32, store: int) -> str | None:
        return None if codes[store] == MISSING else str(panel.levels[column][codes[store]])

    return StoreList(
        model=manifest.name,
        version=manifest.version,
        stores=[
            KnownStore(
                store=store_id,
                type=word("StoreType", panel.store_type, store),
                assortment=word("Assortment", panel.assortment, store),
                state=word("State", panel.state, store),
                first_sale=panel.calendar.date(int(first[store])) if store in sold else None,
                last_sale=panel.calendar.date(int(last[store])) if store in sold else None,
            )
            for store, store_id in enumerate(panel.store_ids)
        ],
    )


def history_of(manifest: SalesManifest, panel: Panel, store: str, first: str, last: str) -> History:
    """Return the known sales and the plan of a store.

    Args:
        manifest: manifest of the model.
        panel: facts of all stores and days.
        store: id of the store, as an address has it.
        first: first day, YYYY-MM-DD. A day before the calendar is no error: the answer begins with the calendar.
        last: last day, YYYY-MM-DD, in the same way.

    Raises:
        ProblemError: if the store is unknown, a date is invalid, or the range is empty or too long.
    """
    index, calendar = _index(panel, store), panel.calendar
    first_date, last_date = _date("first", first), _date("last", last)
    if last_date < first_date:
        raise invalid_field("last", value=last, detail=f"must not be before first, {first}")
    start, end = max(0, calendar.day(first_date)), min(calendar.days, calendar.day(last_date) + 1)
    if end - start > MAX_DAYS:
        raise invalid_field("last", value=last, detail=f"the range has {end - start:,} days; at most {MAX_DAYS:,}")
    return History(
        model=manifest.name,
        version=manifest.version,
        store=panel.store_ids[index],
        days=[_plan_day(panel, index, day) for day in range(start, end)],
    )


def _plan_day(panel: Panel, store: int, day: int) -> PlanDay:
    calendar = panel.calendar
    sales = panel.sales[store, day] if day < panel.sales.shape[1] else np.nan
    assumed = int(calendar.assumed[store, day])
    return PlanDay(
        date=calendar.date(day),
        sales=None if np.isnan(sales) else float(sales),
        open=bool(calendar.open[store, day]),
        promo=bool(calendar.promo[store, day]),
        state_holiday=STATE_HOLIDAYS[calendar.state_holiday[store, day]],  # type: ignore[arg-type]
        school_holiday=bool(calendar.school_holiday[store, day]),
        assumed=[field for bit, field in enumerate(FIELDS) if assumed >> bit & 1],  # type: ignore[misc]
    )


def _index(panel: Panel, store: str) -> int:
    """Return the index of a store; raise a `ProblemError` if there is none."""
    names = [str(store_id) for store_id in panel.store_ids]
    if store in names:
        return names.index(store)
    near = get_close_matches(store, names)
    hint = f"; near names are {', '.join(near)}" if near else ""
    raise ProblemError(Problem.of("unknown-store", f"the model has no store {store!r}{hint}"))


def _date(name: str, text: str) -> dt.date:
    try:
        return _DAY.validate_python(text)
    except ValueError:
        raise invalid_field(name, value=text, detail="must be a date of the calendar, like 2015-08-01") from None
