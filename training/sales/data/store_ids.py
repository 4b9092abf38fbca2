"""Ids of stores that are texts."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.sales.data.columns import COLUMNS
from training.sales.data.problems import Problems

MOST = COLUMNS["train"]["Store"].most  # of ids that are numbers


def number_stores(frames: dict[str, pd.DataFrame], problems: Problems) -> tuple[str, ...]:
    """Return the stores' ids if they are texts, in ascending order, and replace them by their places from 1.

    Ids are texts if at least half of them are no whole numbers. Otherwise a text among numbers is a typing error, which
    parsing reports. Ids are texts too if one is a number with leading zeros, such as 007, or too large for 32 bits. But
    if some table has 007 and another has 7, a program dropped the zeros, and both are the number 7.

    Args:
        frames: tables as they were read, by name; their column Store is changed in place.
        problems: gets the problem of a table that has both 007 and 7.
    """
    columns = {table: frame["Store"] for table, frame in frames.items() if "Store" in frame}
    if not any(isinstance(column.dtype, pd.CategoricalDtype) for column in columns.values()):
        return ()
    texts = {table: _texts(column) for table, column in columns.items()}
    ids = pd.Series(sorted({text for column in texts.values() for text in column.cat.categories}), dtype=object)
    values = pd.to_numeric(ids, errors="coerce").to_numpy(np.float64)
    if pd.isna(values).sum() * 2 < len(ids) and not _are_codes(texts, values, ids, problems):
        return ()
    place = {text: float(index) for index, text in enumerate(ids, 1)}
    for table, column in texts.items():
        frames[table] = frames[table].assign(Store=column.map(place).astype("float64"))
    return tuple(ids)


def _are_codes(texts: dict[str, pd.Series], values: NDArray[np.float64], ids: pd.Series, problems: Problems) -> bool:
    """Return true if ids that look like numbers are codes: they have leading zeros, or more than 32 bits.

    Args:
        texts: ids by table.
        values: ``[id]``, ids as numbers.
        ids: ``[id]``, all distinct ids.
        problems: gets the problem of a table that has both 007 and 7.
    """
    zeros = ids.str.fullmatch(r"0+\d+").to_numpy(bool)
    if not zeros.any():
        if pd.isna(values).any() or (values != np.floor(values)).any() or values.min() < 0:
            return False
        return bool(values.max() > MOST)
    same = pd.Series(ids.to_numpy(), index=values).groupby(level=0).agg(list)
    doubled = [spellings for spellings in same if len(spellings) > 1]
    for spellings in doubled:
        for table, column in texts.items():
            found = [spelling for spelling in spellings if spelling in column.cat.categories]
            if len(found) > 1:
                rows = column[column.isin(found[1:])].astype(object).to_frame("Store")
                problems.complain(table, rows, f"the same number as {found[0]}", "write each id in one way")
    return not doubled


def _texts(column: pd.Series) -> pd.Series:
    """Return ids as categories of texts without blanks around them; a number without its decimals."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    categories = column.cat.categories
    texts = [f"{value:.12g}" if isinstance(value, float) else str(value).strip() for value in categories]
    return column.astype(object).map(dict(zip(categories, texts, strict=True))).astype("category")
