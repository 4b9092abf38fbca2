"""Columns about the nearest competitor, as far as it is known when the forecast is made.

A competitor that opens after the origin, the last known day, is not known yet. A competitor that opened before 1990
counts as none, as in the fast.ai lesson.
"""

import numpy as np

from sales.arrays import Int64
from sales.calendar import date_of
from sales.columns.column import Table, conts
from sales.panel import Panel

LONGEST = 24  # months

COLUMNS = conts("competition", "LogCompetitionDistance", "CompetitionMonths", "CompetitionOpen")
NAMES = ("CompetitionMonths", "CompetitionOpen")


def store_columns(panel: Panel) -> Table:
    """Return the ``[store]`` columns."""
    return {"LogCompetitionDistance": np.log1p(panel.competition_distance)}


class Competition:
    """Columns that depend on the origin of a row."""

    def __init__(self, panel: Panel) -> None:
        self._opening = date_of(panel.competition_year, panel.competition_month, 15) - panel.first_day
        self._known = panel.competition_year >= 1990

    def columns(self, store: Int64, day: Int64, origin: Int64) -> Table:
        """Return the columns ``NAMES`` of some rows.

        Args:
            store: ``[row]``, index into the panel's stores.
            day: ``[row]``, the day to forecast.
            origin: ``[row]``, the last known day.

        Returns:
            By name ``[row]``: months since the opening, ``LONGEST`` without a competitor and 0 before its opening is
            known; 1 if the competitor is open.
        """
        opening, exists = self._opening[store], self._known[store]
        open_ = exists & (opening <= origin)
        days = np.where(open_, day - opening, 0)
        return {
            "CompetitionMonths": np.where(exists, np.minimum(days / 30, LONGEST), LONGEST),
            "CompetitionOpen": open_,
        }
