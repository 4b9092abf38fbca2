"""Forecasts of many rows as columns, for files."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sales.answers.uncertainty import NEW_STORE, Uncertainty, all_rounded
from sales.arrays import Float64, Int64, UInt8
from sales.inputs import Inputs
from schemas.sales.answer import ForecastWarning
from schemas.sales.options import AnswerOptions


class ForecastColumns(NamedTuple):
    """Forecasts of rows, as columns.

    Attributes:
        sales: ``[row]``, forecasts.
        assumed: ``[row]``, bits of the assumed facts; `sales.inputs.ASSUMED` has their names.
        warnings: warnings by row; most rows have none.
        quantiles: ``[row, probability]``, quantiles at the options' probabilities; None if there are none.
    """

    sales: Float64
    assumed: UInt8
    warnings: dict[int, list[ForecastWarning]]
    quantiles: Float64 | None


def forecast_columns(
    inputs: Inputs, median: Float64, store: Int64, ahead: Int64, options: AnswerOptions, uncertainty: Uncertainty
) -> ForecastColumns:
    """Return the forecasts of rows as columns.

    Args:
        inputs: inputs of the rows.
        median: ``[row]``, median forecasts; 0 on closed days.
        store: ``[row]``, index of the store.
        ahead: ``[row]``, days ahead; 0 is the first day after the cutoff.
        options: options that the model can meet.
        uncertainty: objectives and quantiles of the model.
    """
    sales, warnings = all_rounded(median * uncertainty.factor(options)), inputs.warnings
    if not options.uncertain:
        return ForecastColumns(sales, inputs.assumed, warnings, None)
    quantiles = all_rounded(uncertainty.quantiles(median, store, ahead, options.probabilities))
    for row in np.flatnonzero(uncertainty.new_stores(store) & (sales > 0)).tolist():
        warnings[row] = [*warnings.get(row, ()), NEW_STORE]
    return ForecastColumns(sales, inputs.assumed, warnings, quantiles)
