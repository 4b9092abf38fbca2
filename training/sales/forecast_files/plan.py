"""The plan that a bundle assumes, as a file to fill in and to forecast."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from runtime.errors import UserError
from runtime.words import counted
from sales.columns.own import PREFIX
from sales.forecaster import Forecaster
from training.sales.forecast_files.facts import known_facts, words_of
from training.sales.forecast_files.formats import write_rows

SEPARATOR = ";"  # between the names in a cell
ASSUMED = "assumed"  # column with the names of the assumed facts


class PlanError(UserError):
    """Stores or days that a bundle can't forecast."""


class Plan(NamedTuple):
    """A plan that was written.

    Attributes:
        first: its first day.
        last: its last day.
        n_stores: number of stores.
        n_rows: number of rows.
        n_beyond: number of days beyond the model's horizon.
        assumed: number of rows in which a fact is assumed, by name.
    """

    first: dt.date
    last: dt.date
    n_stores: int
    n_rows: int
    n_beyond: int
    assumed: dict[str, int]


def write_plan(
    forecaster: Forecaster,
    out: Path,
    *,
    days: int | None = None,
    start: dt.date | None = None,
    stores: Sequence[str] = (),
) -> Plan:
    """Write a row for each store and day, with the facts that the model knows or assumes.

    The columns are the store, the date, the facts that the model uses, and ``assumed`` with the names of the assumed
    ones. `forecast_file` takes the file back.

    Args:
        forecaster: model that will forecast the rows.
        out: CSV or Parquet file to write, atomically.
        days: number of days; None for the model's horizon.
        start: first day; None for the day after the last known sales.
        stores: ids of stores, or texts of several ids with commas between them; all stores if there are none.

    Raises:
        PlanError: if the model does not know a store, or can't forecast a day.
    """
    model = forecaster.model
    calendar = model.panel.calendar
    days = days or model.horizon
    start = start or calendar.date(model.panel.cutoff + 1)
    first = calendar.day(start)
    _check_days(forecaster, first, days)
    chosen = _chosen_stores(forecaster, stores)
    store, day = np.repeat(chosen, days), np.tile(np.arange(first, first + days), len(chosen))
    facts = known_facts(model, store, day)
    ids = model.panel.store_ids
    dates = (calendar.first_day + day).astype("datetime64[D]").astype("datetime64[s]")
    frame = pd.DataFrame({"store": [ids[index] for index in store], "date": dates})
    for field, numbers in facts.values.items():
        frame[field.removeprefix(PREFIX)] = _cells(numbers, words_of(model, field))
    frame[ASSUMED] = [SEPARATOR.join(names) for names in facts.assumed_names()]
    write_rows([frame], out)
    return Plan(
        first=start,
        last=calendar.date(first + days - 1),
        n_stores=len(chosen),
        n_rows=len(frame),
        n_beyond=min(max(first + days - 1 - model.panel.cutoff - model.horizon, 0), days),
        assumed={name: count for name, rows in facts.assumed.items() if (count := int(rows.sum()))},
    )


def _cells(numbers: NDArray[Any], words: Sequence[int | str]) -> NDArray[Any] | list[str | None]:
    """Return the cells of a column: flags as 0 and 1, words in place of codes, and None or NaN where unknown."""
    if words and not np.isnan(numbers).all():
        return [None if code != code else str(words[int(code)]) for code in numbers.tolist()]
    return numbers.astype(np.int8 if numbers.dtype == np.uint8 else np.float32)


def _check_days(forecaster: Forecaster, first: int, days: int) -> None:
    """Check that the model forecasts all days.

    Raises:
        PlanError: if it does not.
    """
    calendar, last = forecaster.model.panel.calendar, forecaster.last_day
    if first >= 0 and first + days - 1 <= last:
        return
    allowed = f"the model forecasts from {calendar.date(0)} to {calendar.date(last)}"
    if not 0 <= first <= last:
        raise PlanError(f"--start is {calendar.date(first)}; {allowed}")
    raise PlanError(
        f"{days} days from {calendar.date(first)} end on {calendar.date(first + days - 1)}; {allowed}. Give at most "
        f"--days {last - first + 1}"
    )


def _chosen_stores(forecaster: Forecaster, stores: Sequence[str]) -> list[int]:
    """Return the indices of stores, in the order of the model; see `write_plan`.

    Raises:
        PlanError: if a store is unknown.
    """
    ids = forecaster.model.panel.store_ids
    if not stores:
        return [*range(len(ids))]
    index = {store: place for place, store in enumerate(ids)}
    names = [
        name.strip()
        for text in stores
        for name in ([text] if forecaster.store_id(text) in index else text.split(","))  # an id may have a comma
        if name.strip()
    ]
    wanted = {name: index.get(forecaster.store_id(name)) for name in names}
    unknown = [repr(name) for name, place in wanted.items() if place is None]
    if unknown:
        raise PlanError(
            f"--stores names {', '.join(unknown)}, which the model does not know; it has "
            f"{counted(len(ids), 'store')} from {ids[0]!r} to {ids[-1]!r}"
        )
    return sorted({place for place in wanted.values() if place is not None})
