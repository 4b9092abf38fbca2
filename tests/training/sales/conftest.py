"""Tables and a panel of three stores."""

from dataclasses import replace

import pandas as pd
import pytest

from sales.panel import Panel
from tests.training.sales.small import OPTIONS
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.train import holdout_cutoff


@pytest.fixture(scope="module")
def tables(demo_tables: Tables) -> Tables:
    """Tables of three stores."""
    stores = demo_tables.store["Store"].head(3)

    def of_stores(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["Store"].isin(stores)].reset_index(drop=True)

    names = ("train", "test", "store", "store_states")
    return replace(demo_tables, **{name: of_stores(getattr(demo_tables, name)) for name in names})


@pytest.fixture(scope="module")
def panel(tables: Tables) -> Panel:
    return panel_from_tables(tables, cutoff=holdout_cutoff(tables, OPTIONS))
