"""Filling of the facts that no table states."""

import numpy as np

from sales.panel import YEAR
from training.sales.data.plan.grids import Grids, Place, after_last, in_state, repeat
from training.sales.data.plan.holidays import fill_holidays
from training.sales.data.plan.opening import fill_open
from training.sales.data.plan.promotions import fill_promotions


def fill(grids: Grids, place: Place, *, first_day: int, cutoff: int) -> None:
    """Fill the facts that no table states, in place.

    - State holidays: as the other stores of the state list them, from the country's calendar, and those that recur.
    - School holidays: as most other stores of the state list them; otherwise they repeat after 52 weeks.
    - Promotions after the cutoff: as the chain lists them; then the rhythm of the last turns, if there is one.
    - Open on the store's usual weekdays; closed on a holiday on which it was closed before, and on other days of the
      year on which it was closed in each of several years.

    If the tables state no holiday at all, the country's calendar holds for all days.

    Args:
        grids: facts of the tables.
        place: places of the stores.
        first_day: date of day 0, in days since 1970-01-01.
        cutoff: last day whose sales are known.
    """
    date = first_day + np.arange(grids.open.shape[1])
    names = fill_holidays(grids, place, date)
    fill_school(grids, place)
    stated = grids.stated("promo")
    ahead = ~stated & (after_last(stated) | (np.arange(len(date)) > cutoff))
    fill_promotions(grids.promo, stated, ahead)
    fill_open(grids, place, date, names, cutoff)


def fill_school(grids: Grids, place: Place) -> None:
    """Fill the school holidays that no table states."""
    stated = grids.stated("school_holiday")
    unknown = ~stated
    for _, stores in place.groups():
        known, value = in_state(grids.school[stores], stated[stores])
        grids.school[stores] = np.where(~stated[stores] & known, value, grids.school[stores])
        unknown[stores] &= ~known
    repeat(grids.school, unknown, np.full(len(unknown), YEAR))
