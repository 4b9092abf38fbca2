"""Columns about a store's own past sales. `sales.history` computes them.

The column ``Level_n`` is 0 for a store without past sales, so the others need no flags. In explanations, the past of a
weekday belongs to the date, and the past of promotions to the promotion. The rest is the store's history.
"""

from sales.columns.column import Column, Group
from sales.history import NAMES

_GROUPS: dict[str, Group] = {"Weekday": "date", "PromoWeekday": "promotion", "PromoEffect": "promotion"}

COLUMNS = tuple(Column(name, "cont", _GROUPS.get(name.partition("_")[0], "history"), flagged=False) for name in NAMES)
