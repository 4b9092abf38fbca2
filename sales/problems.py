"""Problems of items that are valid and can't be forecast."""

from collections.abc import Sequence

from runtime.words import counted
from sales.calendar import Calendar
from sales.panel import Panel
from schemas.problems import FieldError, Problem, abbreviate, invalid_fields
from schemas.sales.request import Item


def reason_to_reject(panel: Panel, item: Item, path: str, last: int) -> Problem:
    """Return the problem of an item whose store or date the model does not forecast.

    Args:
        panel: facts of all stores and days.
        item: the item.
        path: JSON pointer to the item's store, if that is unknown, and otherwise to its date.
        last: last day that the model forecasts, as an index into the panel: that of its horizon or of its calendar.
    """
    if item.store not in panel.store_ids:
        return _unknown_store(panel.store_ids, item, path)
    calendar = panel.calendar
    if calendar.day(item.date) > last and last < calendar.days - 1:
        return _beyond_horizon(calendar, panel.cutoff, item, path, last)
    allowed = f"allowed are {calendar.date(0)} to {calendar.date(last)}"
    known = f"{calendar.date(panel.cutoff)} is its last known day"
    detail = f"the model's calendar does not reach {item.date}; {allowed}, and {known}"
    return Problem.of("outside-calendar", detail, [FieldError(path=path, value=str(item.date), detail=allowed)])


def _beyond_horizon(calendar: Calendar, cutoff: int, item: Item, path: str, last: int) -> Problem:
    """Return the problem of an item whose date lies beyond the horizon."""
    known, end = calendar.date(cutoff), calendar.date(last)
    horizon = counted(last - cutoff, "day")
    detail = (
        f"{item.date} is {(item.date - known).days} days after {known}, the last day whose sales the model knows; it "
        f"forecasts {horizon} ahead, up to {end}. Ask for a date up to then, or have the model updated with later sales"
    )
    return Problem.of("beyond-horizon", detail, [FieldError(path=path, value=str(item.date), detail=f"at most {end}")])


def _unknown_store(stores: tuple[int | str, ...], item: Item, path: str) -> Problem:
    """Return the problem of an item whose store is none of the model's."""
    if type(item.store) is type(stores[0]):
        remedy = f"which has {len(stores):,} stores from {stores[0]} to {stores[-1]}; train it with that store's sales"
        detail = f"store {item.store} is not known to the model, {remedy}"
    else:
        kind = "numbers" if isinstance(stores[0], int) else "texts"
        detail = f"store {item.store!r} is not known to the model; its ids are {kind}, such as {stores[0]!r}"
    return Problem.of(
        "unknown-store", detail, [FieldError(path=path, value=str(item.store), detail="not known to the model")]
    )


def texts_for_numbers(item: Item, names: Sequence[str], path: str) -> Problem:
    """Return the problem of an item that states texts for number columns of the user's.

    Args:
        item: the item.
        names: names of the columns.
        path: JSON pointer to the item's columns.
    """
    columns = item.columns or {}
    errors = [
        FieldError(path=f"{path}/{name}", value=abbreviate(columns[name]), detail="must be a number, as in training")
        for name in names
    ]
    return invalid_fields(*errors).problem
