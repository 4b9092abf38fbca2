"""Residuals of evaluated windows."""

from collections.abc import Iterable

from sales.uncertainty.residuals import Residuals
from training.sales.evaluation import Evaluation

MAX_WINDOWS = 6  # windows of residuals in a calibration; older ones say little about the forecasts of today


def window_residuals(evaluation: Evaluation, days: int) -> Residuals:
    """Return the residuals of one window.

    Args:
        evaluation: median forecasts beside the sales.
        days: number of days ahead to keep.
    """
    panel, rows = evaluation.panel, evaluation.rows
    return Residuals.of_rows(
        cutoff=panel.first_day + evaluation.cutoff,
        shape=(len(panel.sales), days),
        store=rows.store,
        ahead=rows.day - evaluation.cutoff - 1,
        sales=rows.sales,
        median=evaluation.forecast,
    )


def residuals_of(evaluations: Iterable[Evaluation], days: int) -> Residuals:
    """Return the residuals of windows of the same stores, in their order; there is at least one."""
    first, *others = (window_residuals(evaluation, days) for evaluation in evaluations)
    for later in others:
        first = first.append(later)
    return first
