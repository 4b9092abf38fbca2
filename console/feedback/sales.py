"""True sales: compared with served forecasts by receipt, or with forecasts that the current model makes again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from console.feedback.receipts import Verifier
from console.feedback.results import first_problem, tally
from console.feedback.stored import Recorder
from console.storage import Database
from schemas.feedback.answer import RejectedEntry, SalesFeedbackResults, SalesResult, Source
from schemas.feedback.claims import SalesClaims
from schemas.feedback.parse import Invalid
from schemas.feedback.request import ReceiptSales, StoreSales
from schemas.problems import Problem, ProblemError, invalid_field
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from sales.forecaster import Forecaster

Entry = ReceiptSales | StoreSales | Invalid


@dataclass(frozen=True)
class _Value:
    """A true value with the claims about its forecast."""

    entry: int
    item: int
    source: Source
    claims: SalesClaims
    sales: float


def take_sales(
    database: Database,
    entries: Sequence[Entry],
    verifier: Verifier,
    load: Callable[[], Forecaster],
    client: str,
) -> SalesFeedbackResults:
    """Store true sales and return the result of each; they are durable then.

    Args:
        database: the console's database.
        entries: entries of the request.
        verifier: verifier of their receipts.
        load: function that returns the current forecaster, for entries without a receipt.
        client: name of the client that sends them.

    Raises:
        ProblemError: if no value can be taken.
    """
    found: list[_Value | RejectedEntry] = []
    recomputed = _recomputed(entries, load)
    for place, entry in enumerate(entries):
        if isinstance(entry, Invalid):
            found.append(RejectedEntry(place, None, entry.problem))
        elif isinstance(entry, ReceiptSales):
            found += _by_receipt(place, entry, verifier)
        else:
            found.append(recomputed[place])
    if all(isinstance(value, RejectedEntry) for value in found):
        raise first_problem(value for value in found if isinstance(value, RejectedEntry))
    rows = {index: _row(value) for index, value in enumerate(found) if isinstance(value, _Value)}
    with database.transaction() as connection:
        recorder = Recorder(connection, "feedback_sales", client, [row["id"] for row in rows.values()])
        results = [
            _record(recorder, value, rows[index]) if isinstance(value, _Value) else value
            for index, value in enumerate(found)
        ]
        recorder.save()
    return SalesFeedbackResults(**tally(results), results=results)


def _by_receipt(place: int, entry: ReceiptSales, verifier: Verifier) -> list[_Value | RejectedEntry]:
    """Return the values of an entry with a receipt."""
    try:
        claims = verifier.claims(entry.receipt, SalesClaims)
    except ProblemError as error:
        return [RejectedEntry(place, None, error.problem)]
    n_items = len(claims.stores)
    if isinstance(entry.sales, list) and len(entry.sales) != n_items:
        detail = (
            f"the list has {len(entry.sales)} values, and the answer had {n_items} items; send null for unknown ones"
        )
        return [RejectedEntry(place, None, invalid_field("items", place, "sales", detail=detail).problem)]
    wanted = entry.sales if isinstance(entry.sales, list) else {entry.item: entry.sales}
    values: list[_Value | RejectedEntry] = []
    for item, sales in enumerate(wanted) if isinstance(wanted, list) else wanted.items():
        if sales is None:
            continue
        if item >= n_items or claims.stores[item] is None:
            reason = f"the answer had {n_items} items, numbered from 0" if item >= n_items else "it was rejected itself"
            detail = f"item {item} of the answer has no forecast; {reason}"
            problem = invalid_field("items", place, "item", detail=detail).problem
            values.append(RejectedEntry(place, item, problem))
        else:
            values.append(_Value(place, item, "receipt", claims, sales))
    return values


def _recomputed(entries: Sequence[Entry], load: Callable[[], Forecaster]) -> dict[int, _Value | RejectedEntry]:
    """Return the values without receipts, with forecasts that the current model makes again, by place."""
    asked = {place: entry for place, entry in enumerate(entries) if isinstance(entry, StoreSales)}
    if not asked:
        return {}
    from sales.answers.claims import sales_claims

    forecaster = load()
    values: dict[int, _Value | RejectedEntry] = {}
    items: dict[int, Item] = {}
    for place, entry in asked.items():
        store = forecaster.store_id(entry.store) if isinstance(entry.store, str) else entry.store
        item = Item(store=store, date=entry.date)
        problem = _reason_to_reject(forecaster, item, place)
        if problem is None:
            items[place] = item
        else:
            values[place] = RejectedEntry(place, None, problem)
    if items:
        (answer,) = forecaster.predict([ForecastRequest(tuple(items.values()), single=False)])
        assert not isinstance(answer, Problem)  # every item can be forecast
        claims = sales_claims(forecaster, answer)
        for number, place in enumerate(items):
            values[place] = _Value(place, number, "recomputed", claims, asked[place].sales)
    return values


def _reason_to_reject(forecaster: Forecaster, item: Item, place: int) -> Problem | None:
    """Return why a day can't be forecast again honestly; None if it can."""
    from sales.problems import reason_to_reject

    panel = forecaster.model.panel
    day = panel.calendar.day(item.date)
    if item.store not in forecaster.stores or not 0 <= day <= forecaster.last_day:
        field = "date" if item.store in forecaster.stores else "store"
        return reason_to_reject(panel, item, f"/items/{place}/{field}", forecaster.last_day)
    if day <= panel.cutoff:
        detail = (
            f"the model was trained on the sales until {forecaster.cutoff}, so that its forecast of this day would be "
            "none; send the receipt of one that was made before"
        )
        return invalid_field("items", place, "date", value=str(item.date), detail=detail).problem
    return None


def _record(recorder: Recorder, value: _Value, row: Mapping[str, Any]) -> SalesResult:
    outcome, revision = recorder.record(value.source, row)
    claims, item = value.claims, value.item
    store = claims.stores[item]
    assert store is not None
    return SalesResult(
        entry=value.entry,
        id=row["id"],
        outcome=outcome,
        revision=revision,
        source=value.source,
        item=item if value.source == "receipt" else None,
        store=store,
        date=claims.date(item),
        forecast=claims.sales[item],
        sales=value.sales,
    )


def _row(value: _Value) -> Mapping[str, Any]:
    """Return the columns of a true value and its forecast."""
    claims, item = value.claims, value.item
    store, date = json.dumps(claims.stores[item]), str(claims.date(item))
    served = value.source == "receipt"
    if served:
        name = f"{claims.id}.{item}"
    else:
        name = hashlib.sha256(json.dumps([claims.model, store, date]).encode()).hexdigest()[:24]
    return {
        "id": name,
        "receipt": claims.id if served else "",
        "model": claims.model,
        "version": claims.version,
        "source": value.source,
        "item": item if served else 0,
        "store": store,
        "date": date,
        "ahead": claims.days[item],
        "objective": claims.objective,
        "forecast": claims.sales[item],
        "quantiles": json.dumps(claims.quantiles[item] if claims.quantiles else []),
        "slice": json.dumps(claims.slices[claims.slice[item]]),
        "sales": value.sales,
        "answered": claims.time if served else int(time.time()),
    }
