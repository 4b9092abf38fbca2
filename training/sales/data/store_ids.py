"""Ids of stores that are texts."""

import pandas as pd

from training.sales.data.columns import COLUMNS
from training.sales.data.values import parse_texts


def number_stores(frames: dict[str, pd.DataFrame]) -> tuple[str, ...]:
    """Return the stores' ids if they are texts, in ascending order, and replace them by their places from 1.

    Ids are texts if at least half of them are no whole numbers. Otherwise a text among numbers is a typing error, which
    parsing reports.

    Args:
        frames: tables as they were read, by name; their column Store is changed in place.
    """
    columns = {table: frame["Store"] for table, frame in frames.items() if "Store" in frame}
    if not any(isinstance(column.dtype, pd.CategoricalDtype) for column in columns.values()):
        return ()
    texts = {table: _texts(column) for table, column in columns.items()}
    ids = pd.Series(sorted({text for column in texts.values() for text in column.cat.categories}), dtype=object)
    values, _ = parse_texts(ids.to_numpy(), COLUMNS["train"]["Store"])
    if pd.isna(values).sum() * 2 < len(ids):
        return ()
    place = {text: float(index) for index, text in enumerate(ids, 1)}
    for table, column in texts.items():
        frames[table] = frames[table].assign(Store=column.map(place).astype("float64"))
    return tuple(ids)


def _texts(column: pd.Series) -> pd.Series:
    """Return ids as categories of texts without blanks around them; a number without its decimals."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    categories = column.cat.categories
    texts = [f"{value:.12g}" if isinstance(value, float) else str(value).strip() for value in categories]
    return column.astype(object).map(dict(zip(categories, texts, strict=True))).astype("category")
