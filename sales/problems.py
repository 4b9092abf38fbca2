"""Problems of items that are valid and can't be forecast."""

from sales.panel import Panel
from schemas.problems import FieldError, Problem
from schemas.sales.request import Item


def not_in_calendar(panel: Panel, item: Item, path: str) -> Problem:
    """Return the problem of an item whose store or date is not in the panel's calendar.

    Args:
        panel: facts of all stores and days.
        item: the item.
        path: JSON pointer to the item's store, if that is unknown, and otherwise to its date.
    """
    if item.store not in panel.store_ids:
        return _unknown_store(panel.store_ids, item, path)
    calendar = panel.calendar
    allowed = f"allowed are {calendar.date(0)} to {calendar.date(calendar.days - 1)}"
    last = f"{calendar.date(panel.cutoff)} is its last known day"
    detail = f"the model's calendar does not reach {item.date}; {allowed}, and {last}"
    return Problem.of("outside-calendar", detail, [FieldError(path=path, value=str(item.date), detail=allowed)])


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
