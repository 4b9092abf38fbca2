"""Columns of production mode: facts that are known when the forecast is made.

These are the planned calendar, attributes of stores and dates, and sales up to the cutoff.
"""

from sales.calendar import Calendar
from sales.columns import competition, date, events, holidays, opening, promotion, store, stretches, weather
from sales.columns.column import Column, FeatureSet, Group, Table
from sales.history import NAMES as PAST_SALES
from sales.panel import Panel

# In explanations, the past of a weekday belongs to the date, and the past of promotions to the promotion. The column
# ``Level_n`` is 0 for a store without past sales, so the others need no flags.
_GROUPS: dict[str, Group] = {"Weekday": "date", "PromoWeekday": "promotion", "PromoEffect": "promotion"}
_HISTORY = tuple(
    Column(name, "cont", _GROUPS.get(name.partition("_")[0], "history"), flagged=False) for name in PAST_SALES
)

COLUMNS = (
    *store.COLUMNS,
    *date.COLUMNS,
    *promotion.COLUMNS,
    *holidays.COLUMNS,
    *events.COLUMNS,
    *opening.COLUMNS,
    *stretches.COLUMNS,
    *competition.COLUMNS,
    *weather.COLUMNS,
    *_HISTORY,
)
FEATURES = FeatureSet.of(COLUMNS)

REACH = max(promotion.SINCE, holidays.SINCE, opening.SINCE) + opening.LONG_CLOSURE
"""Number of days before and after a day on which its columns depend."""


def store_columns(panel: Panel) -> Table:
    """Return the ``[store]`` columns."""
    return {**store.store_columns(panel), **promotion.store_columns(panel), **competition.store_columns(panel)}


def plan_columns(calendar: Calendar, cutoff: int) -> Table:
    """Return the ``[store, day]`` columns that follow from the planned calendar.

    Args:
        calendar: the planned calendar.
        cutoff: index of the last day whose sales are known; negative if the calendar begins after it.
    """
    return {
        **promotion.plan_columns(calendar),
        **holidays.plan_columns(calendar),
        **opening.plan_columns(calendar, cutoff),
    }
