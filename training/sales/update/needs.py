"""Check that tables can update a bundle: they go on where its sales end, and have what its network reads."""

from collections.abc import Iterable, Mapping

import numpy as np

from runtime.errors import UserError
from sales.arrays import Bool
from sales.bundle import Bundle
from sales.columns.column import FeatureSet
from sales.features import Features
from sales.history import NAMES as HISTORY
from sales.panel import MISSING, YEAR, Panel
from training.sales.data.tables import Tables
from training.sales.rows import Rows

SHOWN = 5  # stores that a message names
# By column of the train table: columns of the network that follow from it. An absent one counts as 0 on all days.
_FACTS: Mapping[str, tuple[str, ...]] = {
    "Promo": ("Promo", "Promo_bw", "Promo_fw", "SincePromo", "UntilPromo"),
    "SchoolHoliday": ("SchoolHoliday", "SchoolHoliday_bw", "SchoolHoliday_fw", "SinceSchoolHoliday"),
    "StateHoliday": ("StateHolidayType", "StateHoliday_bw", "StateHoliday_fw", "SinceStateHoliday"),
}


class UpdateError(UserError):
    """Tables with which a bundle can't be updated; the message has every reason."""


def check_tables(bundle: Bundle, tables: Tables, panel: Panel, features: Features) -> None:
    """Check that tables can update a bundle.

    A store that the tables lack is an error, since an export that was cut off would silently end its forecasts.

    Args:
        bundle: the bundle.
        tables: checked tables.
        panel: panel of the tables.
        features: the bundle's columns of the panel.

    Raises:
        UpdateError: if they end before the bundle's cutoff, lack its stores, columns that its network reads, or most of
            its history.
    """
    problems = [*_dates(bundle, panel), *_stores(bundle, panel), *_columns(bundle, tables, panel, features)]
    if problems:
        raise UpdateError(
            f"the tables can't update {bundle.folder}:\n" + "\n".join(f"- {problem}" for problem in problems)
        )


def _dates(bundle: Bundle, panel: Panel) -> Iterable[str]:
    """Yield the problems with the first and the last day of the sales."""
    last = panel.calendar.date(panel.cutoff)
    if last < bundle.manifest.cutoff:
        yield (
            f"their sales end on {last}, and the bundle knows those up to {bundle.manifest.cutoff}; give tables with "
            "later sales"
        )
    before = _sold_days(bundle.panel)
    if _sold_days(panel) < min(before, YEAR):
        yield (
            f"they have {_sold_days(panel)} days of sales, and the bundle's had {before}; give all sales, not the new "
            "ones alone, because forecasts follow from the past year"
        )


def _sold_days(panel: Panel) -> int:
    """Return the number of days from the first day with sales to the cutoff."""
    return panel.cutoff + 1 - int(np.argmax(~np.isnan(panel.sales).all(axis=0)))


def _stores(bundle: Bundle, panel: Panel) -> Iterable[str]:
    """Yield the problem with stores that the tables lack."""
    known = {*panel.store_ids}
    lacking = [str(store) for store in bundle.panel.store_ids if store not in known]
    if lacking:
        more = f" and {len(lacking) - SHOWN:,} more" if len(lacking) > SHOWN else ""
        yield (
            f"they lack stores of the bundle: {', '.join(lacking[:SHOWN])}{more}; add their past sales, or train a new "
            "bundle without them"
        )


def _columns(bundle: Bundle, tables: Tables, panel: Panel, features: Features) -> Iterable[str]:
    """Yield the problem with columns that the network reads and the tables lack."""
    names = features.feature_set
    lacking = [
        fact
        for fact, columns in _FACTS.items()
        if {*columns} & {*names.names}
        and "train" in tables.sources
        and not tables.states("train", fact)
        and not (fact == "StateHoliday" and tables.country)
    ]
    lacking += _empty_columns(bundle, panel, features, names)
    if lacking:
        yield (
            f"they lack what the network reads: {', '.join(lacking)}; add the columns or tables that the training had"
        )


def _empty_columns(bundle: Bundle, panel: Panel, features: Features, names: FeatureSet) -> list[str]:
    """Return the network's columns that are missing in all rows of the last year, and were not in training."""
    rows = Rows.sold(panel, after=panel.cutoff - YEAR)
    if not len(rows):
        return []
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), 5000)).astype(np.int64)
    columns = features.build(rows.store[chosen], rows.day[chosen])
    cats: Bool = np.asarray((columns.cats == MISSING).all(axis=0))
    conts: Bool = np.asarray(np.isnan(columns.conts).all(axis=0))
    empty = [name for name, missing in zip(names.cat_names, cats, strict=True) if missing]
    empty += [name for name, missing in zip(names.cont_names, conts, strict=True) if missing and name not in HISTORY]
    always = {name for name, values in bundle.manifest.preprocess.classes.items() if not values}
    return [name for name in empty if name not in always]
