"""Columns about a store: its identity and attributes."""

import numpy as np

from sales.columns.column import Table, cats
from sales.panel import Panel

COLUMNS = cats("store", "Store", "State", "StoreType", "Assortment")


def store_columns(panel: Panel) -> Table:
    """Return the ``[store]`` columns."""
    return {
        "Store": np.arange(len(panel.calendar.stores)),
        "StoreType": panel.store_type,
        "Assortment": panel.assortment,
        "State": panel.state,
    }
