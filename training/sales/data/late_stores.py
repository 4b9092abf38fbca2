"""Stores whose sales end before the last day of the tables.

One last day is the cutoff of all stores. If only some stores have reported it, the others are forecast from old sales.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_WEEKS = 8  # number of weeks in which a store shows on which weekdays it sells
_GONE = 28  # days; a store without sales for longer has more likely closed than not reported
_CLOSED = 4  # days; more rows without any sales at the end are no closed days
_SHOWN = 5  # number of stores that a description names


class LateStores(NamedTuple):
    """Stores without sales on the last days, although they usually sell on those weekdays.

    Attributes:
        last: last day with sales in the tables.
        end: last day with a row, which is the cutoff.
        n_stores: number of stores with sales.
        late: last day with sales of each store that is up to four weeks late, by store.
        gone: last day with sales of each store that is more than four weeks late, by store.
    """

    last: np.datetime64
    end: np.datetime64
    n_stores: int
    late: dict[int | str, np.datetime64]
    gone: dict[int | str, np.datetime64]

    def warnings(self) -> list[str]:
        """Return what a user should know about the stores, in sentences."""
        lines = []
        if self.end - self.last > np.timedelta64(_CLOSED, "D"):
            lines.append(
                f"no store has sales after {self.last}, yet rows follow up to {self.end}, and forecasts begin after "
                "them; remove these rows"
            )
        if self.late:
            lines.append(
                f"{len(self.late):,} of {self.n_stores:,} stores have no sales on the last days up to {self.last}, on "
                f"weekdays on which they usually sell: {_listed(self.late)}. Forecasts begin after {self.last} for "
                "every store; add the missing sales, or remove the days that not all stores have reported"
            )
        if self.gone:
            lines.append(
                f"{len(self.gone):,} of {self.n_stores:,} stores have no sales in the last {_GONE} days up to "
                f"{self.last}: {_listed(self.gone)}. If they closed for good, do not ask for their forecasts"
            )
        return lines


def find_late_stores(days: pd.DataFrame, *, open_is_stated: bool, store_ids: Sequence[str] = ()) -> LateStores:
    """Find the stores whose sales are late.

    Args:
        days: the table of sales: Store, Date, Sales, Open.
        open_is_stated: true if a row with Open 0 states that the store was closed; false if Open was derived from the
            sales. A 0 can then mean that the sales are missing.
        store_ids: ids of the stores if they are texts; the column Store numbers them from 1.
    """
    day = days["Date"].to_numpy("datetime64[D]").astype(np.int64)
    store, sold = days["Store"].to_numpy(np.int64), days["Sales"].to_numpy(np.float64) > 0
    closed = {*zip(store[~sold].tolist(), day[~sold].tolist(), strict=True)} if open_is_stated else set()
    ids, index = np.unique(store[sold], return_inverse=True)
    sale = day[sold]
    end = int(sale.max())
    first, last = np.full((2, len(ids)), end)
    np.minimum.at(first, index, sale)
    last[:] = sale.min()
    np.maximum.at(last, index, sale)
    # [store, weekday], number of the last weeks with sales on the weekday
    recent = sale > last[index] - 7 * _WEEKS
    counts = np.zeros((len(ids), 7), dtype=np.int64)
    np.add.at(counts, (index[recent], (sale[recent] + 3) % 7), 1)
    usual = counts * 2 > np.minimum((last - first) // 7 + 1, _WEEKS)[:, None]
    late: dict[int | str, np.datetime64] = {}
    gone: dict[int | str, np.datetime64] = {}
    for row in np.flatnonzero(last < end):
        identity = int(ids[row])
        missing = np.arange(last[row] + 1, end + 1)
        missing = missing[usual[row, (missing + 3) % 7]]
        if any((identity, date) not in closed for date in missing.tolist()):
            name = store_ids[identity - 1] if store_ids else identity
            (gone if end - last[row] > _GONE else late)[name] = _date(last[row])
    return LateStores(_date(end), _date(day.max()), len(ids), late, gone)


def _date(day: NDArray[np.int64] | int) -> np.datetime64:
    """Return a day since 1970-01-01 as a date."""
    return np.datetime64(int(day), "D")


def _listed(last: dict[int | str, np.datetime64]) -> str:
    """Return the first stores with the last day of their sales."""
    named = [f"{store} ({day})" for store, day in [*last.items()][:_SHOWN]]
    return ", ".join([*named, f"and {len(last) - _SHOWN:,} more"] if len(last) > _SHOWN else named)
