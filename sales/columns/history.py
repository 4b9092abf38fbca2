"""Columns about a store's own past sales. `sales.history` computes them.

The column ``Level_n`` is 0 for a store without past sales, so the others need no flags.
"""

from sales.columns.column import Column
from sales.history import NAMES

COLUMNS = tuple(Column(name, "cont", "history", flagged=False) for name in NAMES)
