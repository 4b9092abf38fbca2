"""Calibration: factors of the objectives and multipliers of the median, fitted on residuals.

Intervals are split conformal ones with locally weighted residuals. Sources: Vovk, Gammerman and Shafer 2005,
"Algorithmic Learning in a Random World"; Lei, G'Sell, Rinaldo, Tibshirani and Wasserman 2018, "Distribution-Free
Predictive Inference for Regression", section 5.2. A residual is the log of sales divided by the median forecast. It is
divided by a scale of its store, and quantiles of these scores are taken by week of the horizon. So the quantile p is

    median * exp(scale[store] * score[week, p])

which is never negative, and never crosses another, because the scores are in ascending order.

Days of one window share errors, such as a warm spring. So residuals are exchangeable between windows, and less so
within one. Three measures follow:

- The score of a residual takes the store's scale from the other windows, as it will be for a new window.
- The fewer windows there are, the less their common shift is believed. The table is a mean of the quantiles of scores,
  with the weight (windows - 1) / (windows + 1), and of the quantiles of scores and their negatives. With one window,
  intervals are symmetric in the log, and the median of the table is 0.
- The variance that a window's scores share is known from as many values as there are windows. It is multiplied by the
  squared ratio of Student's quantile and the normal one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sales.arrays import AnyArray, Bool, Float64, Int64, Integers
from sales.uncertainty.objectives import objective_factors
from sales.uncertainty.quantiles import GRID, conformal_quantiles, interpolated, symmetric_quantiles
from sales.uncertainty.residuals import Residuals, ResidualsError
from sales.uncertainty.scale import scale_of_others, store_scale
from schemas.sales.options import Objective

WEEK_PRIOR = 200  # residuals; at so many of a week, its quantiles and those of all weeks weigh the same
TOTAL_PRIOR = 10  # totals; at so many of a length, its quantiles and the next shorter's weigh the same
NEW_STORE = 2.0  # ratio of the scale of a store without residuals and that of an average store, at least
# Ratio of the 0.9 quantiles of Student's t distribution and of the normal one, by number of windows, from 1.
STUDENT = (2.40, 1.47, 1.28, 1.20, 1.15, 1.12, 1.10, 1.09, 1.08, 1.07, 1.06, 1.06)
_STEP = 7  # days between the starts of totals
_ARRAYS = ("scale", "new_store", "weeks", "lengths", "totals")


@dataclass(frozen=True)
class Calibration:
    """Factors and multipliers of median forecasts.

    Attributes:
        factors: factor of the median by objective.
        horizon: number of days ahead of the residuals.
        scale: ``[store]``, spread of the store's log residuals.
        new_store: ``[store]``, true for a store without residuals, whose scale is wider.
        weeks: ``[week ahead, probability of GRID]``, quantiles of scores.
        lengths: ``[length]``, mean number of open days in the tabulated totals, ascending.
        totals: ``[length, probability of GRID]``, quantiles of the scores of totals.
    """

    factors: Mapping[Objective, float]
    horizon: int
    scale: Float64
    new_store: Bool
    weeks: Float64
    lengths: Float64
    totals: Float64

    @classmethod
    def fit(cls, residuals: Residuals) -> Calibration:
        """Return the calibration that follows from residuals.

        Raises:
            ResidualsError: if no sales of a forecast day are known.
        """
        if not residuals.known.any():
            raise ResidualsError("there is no day with both sales and a forecast, so that nothing can be calibrated")
        size = np.abs(residuals.log_ratio)
        scale, others_scale = store_scale(size), scale_of_others(size)
        scores = residuals.log_ratio / others_scale
        window_scale = others_scale[:, :, 0] if residuals.windows > 1 else scale[None]
        lengths, totals = _total_quantiles(residuals, window_scale, _known_quantiles(scores))
        new_store: Bool = np.asarray(~residuals.known.any(axis=(0, 2)))
        least_sure = np.quantile(scale[~new_store], 0.9)
        return cls(
            factors=objective_factors(residuals),
            horizon=residuals.horizon,
            scale=np.where(new_store, np.maximum(NEW_STORE * scale, least_sure), scale),
            new_store=new_store,
            weeks=_week_quantiles(scores),
            lengths=lengths,
            totals=totals,
        )

    def multipliers(self, store: Integers, ahead: Integers, probabilities: Float64) -> Float64:
        """Return the multipliers of median forecasts that give quantiles.

        Beyond the horizon, the scores of the last week are multiplied by the square root of the days ahead divided by
        the horizon, as in a random walk. Days before the first day ahead have the scores of the first week.

        Args:
            store: ``[row]``, index of the store.
            ahead: ``[row]``, day ahead; 0 is the first day after the cutoff.
            probabilities: ``[probability]``, from 0.01 to 0.99.

        Returns:
            ``[row, probability]``.
        """
        week = np.clip(ahead // 7, 0, len(self.weeks) - 1)
        scores = interpolated(self.weeks, probabilities)[week]
        spread = self.scale[store] * np.sqrt(np.maximum((ahead + 1) / self.horizon, 1))
        multipliers: Float64 = np.exp(spread[:, None] * scores)
        return multipliers

    def total_multipliers(self, store: int, open_days: int, last_ahead: int, probabilities: Float64) -> Float64:
        """Return the multipliers of a total of mean forecasts that give its quantiles.

        The errors of a store without residuals are taken as the same on all days, because its level is not known.

        Args:
            store: index of the store.
            open_days: number of days in the total on which the store is open.
            last_ahead: day ahead of the last day. Beyond the horizon the total is less sure, as in `multipliers`.
            probabilities: ``[probability]``, from 0.01 to 0.99.

        Returns:
            ``[probability]``.
        """
        place = float(np.interp(open_days, self.lengths, np.arange(len(self.lengths))))
        left = int(place)
        weight = place - left
        table = self.totals[left] * (1 - weight) + self.totals[min(left + 1, len(self.totals) - 1)] * weight
        if self.new_store[store]:
            table = self.weeks[min(max(last_ahead, 0) // 7, len(self.weeks) - 1)]
        spread = self.scale[store] * np.sqrt(max((last_ahead + 1) / self.horizon, 1))
        multipliers: Float64 = np.exp(spread * interpolated(table[None], probabilities)[0])
        return multipliers

    def arrays(self) -> dict[str, AnyArray]:
        """Return the calibration as named arrays, for the bundle. ``Calibration.of`` is the inverse."""
        return {
            **{name: getattr(self, name) for name in _ARRAYS},
            "horizon": np.array(self.horizon, dtype=np.int64),
            **{f"factor.{name}": np.array(factor, dtype=np.float64) for name, factor in self.factors.items()},
        }

    @classmethod
    def of(cls, arrays: Mapping[str, AnyArray]) -> Calibration:
        """Return the calibration from named arrays, as ``arrays`` returns them.

        Raises:
            KeyError: if an array is missing.
            ResidualsError: if the shapes contradict each other.
        """
        tables = {name: arrays[name] for name in _ARRAYS}
        probabilities = {tables[name].shape[-1] for name in ("weeks", "totals")}
        if probabilities != {len(GRID)} or tables["scale"].shape != tables["new_store"].shape:
            raise ResidualsError(f"tables of {probabilities} probabilities; this version has {len(GRID)}")
        return cls(
            factors={
                "median": float(arrays["factor.median"].item()),
                "mean": float(arrays["factor.mean"].item()),
                "rmspe": float(arrays["factor.rmspe"].item()),
            },
            horizon=int(arrays["horizon"].item()),
            **tables,  # type: ignore[arg-type]
        )


def _quantiles(scores: Float64, window: Int64, windows: int) -> Float64:
    """Return the quantiles of scores, ``[probability of GRID]``; see the module's docstring.

    Args:
        scores: ``[score]``, without NaN.
        window: ``[score]``, window of the score.
        windows: number of windows.
    """
    believed = (windows - 1) / (windows + 1)
    quantiles = believed * conformal_quantiles(scores) + (1 - believed) * symmetric_quantiles(scores)
    n = np.bincount(window, minlength=windows)
    shift = np.bincount(window, scores, minlength=windows)[n > 0] / n[n > 0]
    size = float(np.square(scores).mean())
    # The mean of n independent scores is not 0 either: its expected square is subtracted.
    shared = float(np.clip((np.square(shift).mean() - size * (1 / n[n > 0]).mean()) / size, 0, 1)) if size > 0 else 0.0
    student = STUDENT[min(len(shift), len(STUDENT)) - 1]
    wider: Float64 = quantiles * np.sqrt(1 + shared * (student**2 - 1))
    return wider


def _week_quantiles(scores: Float64) -> Float64:
    """Return the quantiles by week, ``[week ahead, probability]``, of scores ``[window, store, day ahead]``."""
    pooled = _known_quantiles(scores)
    weeks = []
    for start in range(0, scores.shape[2], 7):
        week = scores[:, :, start : start + 7]
        n = int((~np.isnan(week)).sum())
        weeks.append((n * _known_quantiles(week) + WEEK_PRIOR * pooled) / (n + WEEK_PRIOR) if n else pooled)
    return np.array(weeks)


def _known_quantiles(scores: Float64) -> Float64:
    """Return the quantiles of those scores, ``[window, ...]``, that are not NaN; at least one is not."""
    known = ~np.isnan(scores)
    return _quantiles(scores[known], np.nonzero(known)[0], len(scores))


def _total_quantiles(residuals: Residuals, scale: Float64, day: Float64) -> tuple[Float64, Float64]:
    """Return the quantiles of the scores of totals.

    Args:
        residuals: the residuals.
        scale: ``[window, store]``, scale of the store.
        day: ``[probability]``, quantiles of the scores of days, towards which those of totals are shrunk.

    Returns:
        ``[length]``, mean number of open days in the totals of a length, and ``[length, probability]``.
    """
    spans = [*range(1, min(7, residuals.horizon) + 1), *range(14, residuals.horizon + 1, 7)]
    if spans[-1] != residuals.horizon:
        spans.append(residuals.horizon)
    table: list[Float64] = []
    lengths: list[float] = []
    shorter = day
    share = float(residuals.known.sum()) / max(int(residuals.known.any(axis=1).sum()) * residuals.stores, 1)
    for span, (ratio, open_days) in zip(spans, _totals(residuals, spans), strict=True):
        scores = ratio / scale[:, :, None]
        n = int((~np.isnan(scores)).sum())
        if n:
            quantiles = (n * _known_quantiles(scores) + TOTAL_PRIOR * shorter) / (n + TOTAL_PRIOR)
        else:
            open_days, quantiles = span * share, shorter
        lengths.append(max(open_days, *lengths, 0.0))
        table.append(quantiles)
        shorter = quantiles
    return np.array(lengths), np.array(table)


def _totals(residuals: Residuals, spans: Sequence[int]) -> Iterator[tuple[Float64, float]]:
    """Yield the log of totals of sales divided by those of mean forecasts, and their mean number of open days.

    The totals start on each seventh day ahead. The factor that makes mean forecasts is that of the other windows. With
    one window it is exp(variance / 2), the factor of residuals without a shift. Fitted on the window itself, it would
    hide the window's shift, which is most of the error of a total. All of the others' shift is removed, although
    `objective_factors` believes a part: a new window differs from the believed shift about as much.

    Args:
        residuals: the residuals.
        spans: numbers of consecutive days, closed days included.

    Yields:
        ``[window, store, start]``, NaN where a total is not known, and the mean number, for each of the spans.
    """
    known = residuals.known
    if residuals.windows > 1:
        places = np.arange(residuals.windows)
        log_factor = np.array([_log_mean_factor(residuals, places != window) for window in places])
    else:
        log_factor = np.array([float(np.nanvar(residuals.log_ratio)) / 2])
    sold_anywhere: Bool = np.asarray(known.any(axis=1))
    # The last days of a window may be closed everywhere: so the last week with sales counts as complete.
    end = np.array([np.flatnonzero(window)[-1] + 7 if window.any() else 0 for window in sold_anywhere])
    sales, median, open_ = (
        np.pad(np.where(known, grid, 0).cumsum(axis=2, dtype=np.float64), ((0, 0), (0, 0), (1, 0)))
        for grid in (residuals.sales, residuals.median, known)
    )
    for span in spans:
        start = np.arange(0, residuals.horizon - span + 1, _STEP)
        sold, forecast, n = (grid[:, :, start + span] - grid[:, :, start] for grid in (sales, median, open_))
        used = (n > 0) & (start + span <= end[:, None])[:, None]
        ratio = np.full(used.shape, np.nan)
        ratio[used] = np.log(sold[used] / forecast[used])
        yield ratio - log_factor[:, None, None], float(n[used].mean()) if used.any() else 0.0


def _log_mean_factor(residuals: Residuals, chosen: Bool) -> float:
    """Return the log of the factor of the mean from some windows; 0 if they have no sales."""
    known = residuals.known[chosen]
    if not known.any():
        return 0.0
    sales, median = (grid[chosen][known].sum(dtype=np.float64) for grid in (residuals.sales, residuals.median))
    return float(np.log(sales / median))
