"""Filling of the facts that no table states."""

from collections.abc import Sequence

import numpy as np

from sales.arrays import Int32
from sales.calendar import FIELDS
from sales.panel import YEAR
from training.sales.data.plan.grids import Grids, Place, after_last, in_state, repeat
from training.sales.data.plan.holidays import fill_holidays
from training.sales.data.plan.opening import fill_open
from training.sales.data.plan.promotions import fill_promotions


def fill(grids: Grids, place: Place, *, first_day: int, cutoff: int) -> Int32:
    """Fill the facts that no table states, in place.

    - State holidays: as the other stores of the state list them, from the country's calendar, and those that recur.
    - School holidays: as most other stores of the state list them; otherwise they repeat after 52 weeks.
    - Promotions after the cutoff: as the chain lists them; then the rhythm of the last turns, if there is one.
    - Open on the store's usual weekdays; closed on a holiday on which it was closed before.
    - Closed on other days on which closures recur.

    If the tables state no holiday at all, the country's calendar holds for all days.

    Args:
        grids: facts of the tables.
        place: places of the stores.
        first_day: date of day 0, in days since 1970-01-01.
        cutoff: last day whose sales are known.

    Returns:
        ``[store, day]``, numbers of the country's official holidays, as ``fill_holidays`` returns them.
    """
    date = first_day + np.arange(grids.open.shape[1])
    facts = {"promo": grids.promo, "school_holiday": grids.school, "state_holiday": grids.holiday}
    absent = [field for field, values in facts.items() if not (grids.stated(field) & (values > 0)).any()]
    names = fill_holidays(grids, place, date)
    fill_school(grids, place)
    stated = grids.stated("promo")
    ahead = ~stated & (after_last(stated) | (np.arange(len(date)) > cutoff))
    fill_promotions(grids.promo, stated, ahead)
    fill_open(grids, place, date, names, cutoff)
    _clear_assumed(grids, absent)
    return names


def _clear_assumed(grids: Grids, absent: Sequence[str]) -> None:
    """Mark as assumed only facts that the chain has, in place.

    Without a promotion in the tables there is none to assume, and the same holds for school holidays. If the tables
    state no holiday, those of the country's calendar are assumed, and on other days there is none to assume.

    Args:
        grids: facts of the tables.
        absent: fields that no row of the tables states to be true.
    """
    for field in absent:
        stated, bit = grids.stated(field), np.uint8(1 << FIELDS.index(field))
        grids.assumed &= ~bit
        if field == "state_holiday":
            grids.assumed |= np.where((grids.holiday > 0) & ~stated, bit, np.uint8(0))


def fill_school(grids: Grids, place: Place) -> None:
    """Fill the school holidays that no table states."""
    stated = grids.stated("school_holiday")
    unknown = ~stated
    for _, stores in place.groups():
        known, value = in_state(grids.school[stores], stated[stores])
        grids.school[stores] = np.where(~stated[stores] & known, value, grids.school[stores])
        unknown[stores] &= ~known
    repeat(grids.school, unknown, np.full(len(unknown), YEAR))
