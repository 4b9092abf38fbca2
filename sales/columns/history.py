"""Columns about a store's own past sales. `sales.history` computes them."""

from sales.columns.column import conts
from sales.history import NAMES

COLUMNS = conts("history", *NAMES)
