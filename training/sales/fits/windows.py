"""Rolling origins: the cutoffs of a backtest, and the tables as they were known at a cutoff."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd

from runtime.errors import UserError
from training.sales.data.panel import FACTS
from training.sales.data.tables import Tables

SEASONS: Final = 364  # days over which the windows are spread by default
MIN_HORIZONS: Final = 2  # horizons of sales that the first window learns from, at least


class WindowError(UserError):
    """Windows of a backtest that need more sales than the tables have."""


def tables_until(tables: Tables, cutoff: np.datetime64, end: np.datetime64, *, observed: bool = False) -> Tables:
    """Return the tables up to a cutoff, with the stated plan up to ``end``.

    Days after the cutoff keep their plan, that is open, promotion and holidays, and lose their sales. They keep only
    facts that the tables state, because an opening that follows from the sales is not known beforehand. Drop the rows
    after ``end``: columns that look ahead would read them.

    Args:
        tables: checked tables.
        cutoff: last day whose sales are known.
        end: last day of the plan.
        observed: keep weather and search trend up to the end of the plan, which the columns of parity mode look up;
            otherwise up to the cutoff.
    """
    train, test = tables.train, tables.test
    later = _plan(tables, _between(train, cutoff, end))
    plan = pd.concat([later[later.columns.intersection(test.columns)], _between(test, cutoff, end)], ignore_index=True)
    known = end if observed else cutoff
    return replace(
        tables,
        train=train[_dates(train) <= cutoff].reset_index(drop=True),
        test=plan,
        weather=tables.weather[_dates(tables.weather) <= known].reset_index(drop=True),
        googletrend=tables.googletrend[_dates(tables.googletrend) <= known].reset_index(drop=True),
        own_columns=tuple(table.until(cutoff, end) for table in tables.own_columns),
    )


def first_sale(tables: Tables) -> np.datetime64:
    """Return the first day with sales."""
    return np.datetime64(_sold(tables).min())


def last_sale(tables: Tables) -> np.datetime64:
    """Return the last day with sales."""
    return np.datetime64(_sold(tables).max())


def rolling_cutoffs(tables: Tables, *, windows: int, days: int, step: int | None = None) -> list[np.datetime64]:
    """Return the cutoffs of windows at equal distances, the earliest first. The last window ends with the sales.

    Args:
        tables: checked tables.
        windows: number of windows.
        days: number of days in a window, after its cutoff.
        step: number of days from one cutoff to the next. Default: whole weeks that spread the windows over a year, or
            over the sales that there are.

    Raises:
        WindowError: if the first window would have fewer sales to learn from than twice its length.
    """
    first, last = first_sale(tables), last_sale(tables)
    span = int((last - first).astype(int)) + 1
    room = span - days - MIN_HORIZONS * days
    if step is None:
        step = SEASONS // windows // 7 * 7
        if windows > 1:
            step = min(step, max(room, 0) // (windows - 1) // 7 * 7)
        step = max(step, 7)
    needed = (windows - 1) * step
    if needed > room:
        raise WindowError(
            f"{windows} windows of {days} days, {step} days apart, need {needed + (1 + MIN_HORIZONS) * days} days of "
            f"sales; the tables have {span} ({first} to {last}). Give fewer --windows, a smaller --step or fewer --days"
        )
    return [last - days - step * index for index in reversed(range(windows))]


def calibration_cutoffs(tables: Tables, holdout: np.datetime64, *, windows: int, days: int) -> list[np.datetime64]:
    """Return the cutoffs of windows whose forecast errors calibrate intervals, the earliest first.

    The last one is the holdout's. The others are spread over the year before it, in whole weeks, and do not overlap.
    Each learns from at least half of the days with sales, because the errors of a fit with little history are larger
    than those of the final one. Short tables give fewer windows.

    Args:
        tables: checked tables.
        holdout: cutoff of the holdout.
        windows: largest number of windows.
        days: number of days in a window.
    """
    first = first_sale(tables)
    span = int((last_sale(tables) - first).astype(int)) + 1
    room = int((holdout - first).astype(int)) + 1 - max(MIN_HORIZONS * days, span // 2)
    shortest = -(-days // 7) * 7
    for count in range(windows, 1, -1):
        step = min(max(SEASONS // count // 7 * 7, shortest), max(room, 0) // (count - 1) // 7 * 7)
        if step >= shortest:
            return [holdout - step * index for index in reversed(range(count))]
    return [holdout]


def checked_cutoffs(tables: Tables, cutoffs: Sequence[np.datetime64], *, days: int) -> list[np.datetime64]:
    """Return given cutoffs, the earliest first.

    Raises:
        WindowError: if a cutoff is not followed by a full window of sales, or not preceded by twice as many.
    """
    earliest, latest = first_sale(tables) + MIN_HORIZONS * days - 1, last_sale(tables) - days
    wrong = [str(cutoff) for cutoff in sorted(cutoffs) if not earliest <= cutoff <= latest]
    if earliest > latest:
        raise WindowError(
            f"the sales run from {first_sale(tables)} to {last_sale(tables)}, too few for a window of {days} days and "
            f"{MIN_HORIZONS * days} days to learn from; give fewer --days"
        )
    if wrong:
        raise WindowError(
            f"no full window of {days} days with sales after {', '.join(wrong)}, or too few sales before; cutoffs can "
            f"lie from {earliest} to {latest}"
        )
    return sorted(set(cutoffs))


def _plan(tables: Tables, rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of the train table with gaps in place of facts that its file does not state."""
    if "train" not in tables.sources:
        return rows
    unstated = [column for column in FACTS.values() if not tables.states("train", column)]
    if len(unstated) == len(FACTS):
        return rows.head(0)  # which days are listed is not known beforehand either
    everywhere = np.ones(len(rows), dtype=np.bool_)
    return rows.assign(**{column: rows[column].mask(everywhere) for column in unstated if column in rows})


def _sold(tables: Tables) -> "np.ndarray[tuple[int], np.dtype[np.datetime64]]":
    """Return the dates of the rows with sales."""
    train = tables.train
    return np.asarray(_dates(train)[train["Sales"].to_numpy() > 0])


def _dates(table: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.datetime64]]":
    """Return the date of each row."""
    return np.asarray(table["Date"].to_numpy("datetime64[D]"))


def _between(table: pd.DataFrame, after: np.datetime64, end: np.datetime64) -> pd.DataFrame:
    """Return the rows after one day, up to another."""
    dates = _dates(table)
    return table[(dates > after) & (dates <= end)]
