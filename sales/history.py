"""History: columns about a store's own past sales, up to the last day known when the forecast is made.

Columns are means of log sales over the days up to an origin, the last known day. For a forecast, the origin is the
panel's cutoff. A training row draws its origin from the weeks before its day, so that the network learns how
reliable the past is at each distance. The column ``DaysAhead`` states the distance.

A mean over a window is a difference of two cumulative sums, so that a row costs a few look-ups for windows of any size.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from sales.arrays import BLOCK, AnyArray, Bool, Float32, Float64, Int32, Int64, Integers
from sales.panel import YEAR, Panel

LATE: Final = 7  # days without sales before the cutoff, after which a store's own last sale is its last known day
DELTAS: Final = (14, 28, 56, 91, 182)
DELTAS_TO_ALL: Final = (28, 91)
WEEKDAYS: Final = (28, 91, 182, 364)
PROMO_WEEKDAYS: Final = (91, 182, 364)
PROMO_EFFECTS: Final = (182, 364)

NAMES: Final = (
    "Level",
    "Level_n",
    *(f"Delta_{k}" for k in DELTAS),
    *(f"DeltaToAll_{k}" for k in DELTAS_TO_ALL),
    *(f"Weekday_{k}" for k in WEEKDAYS),
    *(f"PromoWeekday_{k}" for k in PROMO_WEEKDAYS),
    "PromoWeekday_n",
    *(f"PromoEffect_{k}" for k in PROMO_EFFECTS),
    "Spread_182",
    "SundayShare",
    "DaysAhead",
)
"""Names of the columns of ``History.columns``. A number is a window in days.

Level: mean log sales over the last 364 days, or over the longest of 91, 28 and 14 that has sales on a seventh of them.
For a store without such days it is the mean level of the other stores of its type and assortment, or of all others.
Level_n: number of days with sales among the 364; 0 if the store's own sales give no level.
Delta_k: the same mean over k days, minus the level. DeltaToAll_k: Delta_k minus its mean over all stores.
Weekday_k: mean log sales on the row's weekday, minus the level.
PromoWeekday_k: mean log sales on the row's weekday and with the row's promotion status, minus the mean on the weekday.
PromoWeekday_n: number of such days in 364, at most 30.
PromoEffect_k: mean log sales on days with a promotion minus the mean on days without, Monday to Friday.
Spread_182: standard deviation of log sales.
SundayShare: share of the Sundays in 364 days on which the store was open.
DaysAhead: number of days from the origin to the day, at most the model's horizon.
"""


class History:
    """Cumulative sums of a panel's sales up to its cutoff."""

    def __init__(self, panel: Panel, horizon: int) -> None:
        """Compute the sums.

        Args:
            panel: facts of all stores and days.
            horizon: number of days after the cutoff for which the model is made.
        """
        known = panel.cutoff + 1
        self._cutoff, self._horizon = panel.cutoff, horizon
        log_sales = panel.log_sales[:, :known]
        sold = ~np.isnan(log_sales)
        self._origin = _last_known(sold)
        log = np.where(sold, log_sales, 0)
        promo = panel.calendar.promo[:, :known] > 0
        weekday = (np.arange(known) + panel.first_day + 3) % 7  # Monday is 0
        # Sums and counts are side by side, [store, day + 1, sum or count], so that one look-up gets both.
        self._cells = np.stack([_weekly(log * (promo == p), sold & (promo == p)) for p in (False, True)])
        self._log, self._square = _running(log, sold), _running(log * log, sold)
        workday = sold & (weekday < 5)
        self._promo = [_running(log * on, on) for on in (workday & promo, workday & ~promo)]
        sunday = np.broadcast_to(weekday == 6, sold.shape)
        self._sunday = _running(sunday & (panel.calendar.open[:, :known] > 0), sunday)

        # Means over all stores for each origin, [day + 1], and over the similar stores, [store, day + 1].
        year = self._all_mean_log(YEAR, YEAR // 13)
        self._all_deltas = {k: _mean_of_stores(self._all_mean_log(k) - year) for k in DELTAS_TO_ALL}
        level = _first_known(self._all_mean_log(k) for k in (YEAR, 91, 28, 14))
        self._similar = _mean_of_similar(level, panel.store_type, panel.assortment)

        # The origin of a forecast is fixed for a store. So its columns depend on [store, weekday, promo, name] alone.
        store, days_ahead, planned = _grid(len(sold), 7, 2)
        self._forecast = self._columns(store, known + days_ahead, self._origin[store], planned)

    def columns(
        self,
        store: Integers,
        day: Integers,
        promo: Integers,
        origin: Integers | None = None,
        new: Bool | None = None,
    ) -> Float32:
        """Return the columns ``NAMES`` of some rows.

        Args:
            store: ``[row]``, index into the panel's stores.
            day: ``[row]``, the day to forecast.
            promo: ``[row]``, 1 if a promotion is planned for the day.
            origin: ``[row]``, the last known day, at most the panel's cutoff; it may lie before the panel's first day.
                Default: the store's last known day for days after the cutoff, and the horizon before the day for the
                others.
            new: ``[row]``, true where the store's own sales are hidden, as if it were new.

        Returns:
            ``[row, name]``; NaN where the days up to the origin have too few sales.
        """
        if origin is None and (day > self._cutoff).all():
            columns: Float32 = self._forecast[store, (day - self._cutoff - 1) % 7, promo]
            columns[:, -1] = np.minimum(day - self._origin[store], self._horizon)
            return columns
        if origin is None:
            origin = np.where(day > self._cutoff, self._origin[store], day - self._horizon)
        columns = self._columns(store, day, origin, promo)
        if new is not None and new.any():
            columns[new] = self._hidden(columns[new], store[new], np.maximum(origin[new] + 1, 0))
        return columns

    def _hidden(self, columns: Float32, store: Integers, end: Integers) -> Float32:
        """Return columns ``[row, name]`` as they would be without the store's own sales."""
        hidden = np.full_like(columns, np.nan)
        hidden[:, NAMES.index("Level")] = self._similar[store, end]
        for name in ("Level_n", "PromoWeekday_n"):
            hidden[:, NAMES.index(name)] = 0
        for name in ("SundayShare", "DaysAhead"):  # the opening hours and the distance are known
            hidden[:, NAMES.index(name)] = columns[:, NAMES.index(name)]
        return hidden

    def _level(self, store: Integers, end: Integers) -> Float64:
        """Return the mean log sales of the longest window before ``end`` that has enough; NaN without any."""
        return _first_known(self._mean_log(store, end, k) for k in (YEAR, 91, 28, 14))

    def _columns(self, store: Integers, day: Integers, origin: Integers, promo: Integers) -> Float32:
        """Compute ``columns`` for indices of any shape."""
        end = np.maximum(origin + 1, 0)  # sums have an exclusive end
        means = {k: self._mean_log(store, end, k) for k in (YEAR, *DELTAS)}
        level = self._level(store, end)
        days_sold = np.where(np.isnan(level), 0, _window(self._log, store, end, YEAR)[..., 1])
        cells = {k: self._cell(store, day, end, promo, k) for k in WEEKDAYS}
        weekdays = {k: _mean(cells[k] + self._cell(store, day, end, 1 - promo, k)) for k in WEEKDAYS}
        promos = [[_mean(_window(days, store, end, k), 4) for days in self._promo] for k in PROMO_EFFECTS]
        spread = _mean(_window(self._square, store, end, 182), 14) - self._mean_log(store, end, 182, 14) ** 2
        columns = (
            np.where(np.isnan(level), self._similar[store, end], level),
            days_sold,
            *(means[k] - level for k in DELTAS),
            *(means[k] - level - self._all_deltas[k][end] for k in DELTAS_TO_ALL),
            *(weekdays[k] - level for k in WEEKDAYS),
            *(_mean(cells[k]) - weekdays[k] for k in PROMO_WEEKDAYS),
            np.minimum(cells[YEAR][..., 1], 30),
            *(on - off for on, off in promos),
            np.sqrt(np.maximum(spread, 0)),
            _mean(_window(self._sunday, store, end, YEAR)),
            np.minimum(day - origin, self._horizon),
        )
        return np.stack(columns, axis=-1, dtype=np.float32, casting="same_kind")

    def _mean_log(self, store: Integers, end: Integers, days: int, enough: int | None = None) -> Float64:
        """Return mean log sales of the ``days`` before ``end``; NaN with sales on fewer than ``enough`` days.

        The default of ``enough`` is a seventh of the days.
        """
        return _mean(_window(self._log, store, end, days), enough or days // 7)

    def _all_mean_log(self, days: int, enough: int | None = None) -> Float64:
        """Return ``_mean_log`` of all stores before all days, ``[store, day + 1]``, without indices, which are slow."""
        means = np.empty(self._log.shape[:2])
        for first in range(0, len(means), BLOCK):
            stores = slice(first, first + BLOCK)
            sums = self._log[stores].copy()
            sums[:, days:] -= self._log[stores, :-days]
            means[stores] = _mean(sums, enough or days // 7)
        return means

    def _cell(self, store: Integers, day: Integers, end: Integers, promo: Integers, days: int) -> Float64:
        """Return sum and count of log sales on a weekday, with or without promotion, in the ``days`` before ``end``."""
        last = end - 1 - (end - 1 - day) % 7  # the last day with this weekday; ``days`` is a multiple of 7
        after, before = np.maximum(last + 7, 0), np.maximum(last + 7 - days, 0)
        return np.asarray(self._cells[promo, store, after] - self._cells[promo, store, before])


def _last_known(sold: Bool) -> Int64:
    """Return the last day ``[store]`` whose sales are known.

    It is the last day of all stores, the cutoff, unless the sales of a store end a week or more before it. A store
    without sales has the cutoff too.
    """
    cutoff = sold.shape[1] - 1
    last = cutoff - np.argmax(sold[:, ::-1], axis=1)
    origin: Int64 = np.where(sold.any(axis=1) & (cutoff - last >= LATE), last, cutoff)
    return origin


def _grid(*shape: int) -> tuple[Integers, ...]:
    """Return the indices of all cells of a grid, one array of the grid's shape per axis."""
    return tuple(np.indices(shape))


def _first_known(candidates: Iterable[Float64]) -> Float64:
    """Return the first of some arrays of a shape that is not NaN, for each place; NaN if all are."""
    first, *others = candidates
    for other in others:
        unknown = np.isnan(first)
        first[unknown] = other[unknown]
    return first


def _running(values: AnyArray, counted: Bool) -> Float64:
    """Return cumulative sums and counts ``[store, day + 1, 2]``, with 0 before the first day."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1, 2))
    for place, column in enumerate((values, counted)):
        np.cumsum(column, axis=1, dtype=np.float64, out=sums[:, 1:, place])
    return sums


def _weekly(values: Float64, counted: Bool) -> Float64:
    """Return cumulative sums and counts ``[store, day + 7, 2]`` over the day's weekday in all weeks so far."""
    stores, days = values.shape
    weeks = -(-days // 7) + 1
    padded = np.zeros((stores, 7 * weeks, 2))
    padded[:, 7 : 7 + days, 0], padded[:, 7 : 7 + days, 1] = values, counted
    by_week = padded.reshape(stores, weeks, 7, 2)
    return np.cumsum(by_week, axis=1, out=by_week).reshape(stores, -1, 2)


def _window(sums: Float64, store: Integers, end: Integers, days: int) -> Float64:
    """Return sum and count ``[..., 2]`` of the ``days`` before ``end``."""
    return np.asarray(sums[store, end] - sums[store, np.maximum(end - days, 0)])


def _mean(sums: Float64, enough: int = 1) -> Float64:
    """Return each sum divided by its count; NaN where the count is below ``enough``."""
    total, count = sums[..., 0], sums[..., 1]
    return np.where(count >= enough, total / np.maximum(count, 1), np.nan)


def _mean_of_stores(values: Float64) -> Float64:
    """Return the mean over the first axis without NaN; 0 where all are NaN."""
    known = ~np.isnan(values)
    return np.asarray(np.nansum(values, axis=0) / np.maximum(known.sum(axis=0), 1))


def _mean_of_similar(level: Float64, *attributes: Int32) -> Float64:
    """Return the mean level of the other stores that have the same attributes; of all others where there are none.

    Args:
        level: ``[store, end]``, levels; NaN where unknown.
        attributes: ``[store]`` each, codes.

    Returns:
        ``[store, end]``; NaN where no other store has a level.
    """
    known = ~np.isnan(level)
    values = np.where(known, level, 0)
    _, group = np.unique(np.stack(attributes), axis=1, return_inverse=True)
    similar = np.full_like(level, np.nan)
    for member in (np.zeros(len(level), dtype=np.int64), group.ravel()):
        groups = [member == number for number in range(member.max() + 1)]
        total, count = (np.stack([array[chosen].sum(axis=0) for chosen in groups]) for array in (values, known))
        total, count = total[member] - values, count[member] - known
        similar = np.where(count > 0, total / np.maximum(count, 1), similar)
    return similar
