"""Uncertainty in answers: objectives, intervals, quantiles and totals of a model's forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from sales.arrays import Bool, Float64, Int64
from sales.uncertainty.calibration import Calibration
from schemas.problems import FieldError, Problem
from schemas.sales.answer import (
    ComparedTotal,
    ForecastWarning,
    Interval,
    ItemForecast,
    Quantile,
    Total,
    WhatIfTotal,
)
from schemas.sales.options import AnswerOptions, Objective

NEW_STORE = ForecastWarning(
    "new_store",
    "store",
    "no past forecasts of the store could be compared with its sales; its intervals are wider than those of others",
)
_Uncertain = TypeVar("_Uncertain", ItemForecast, Total)


def rounded(amount: float) -> float:
    """Return an amount with 7 digits, because float32 has no more."""
    return float(f"{amount:.7g}")


def all_rounded(amounts: Float64) -> Float64:
    """Return amounts of 0 or more with 7 digits, as `rounded` returns each of them."""
    positive = np.where(amounts > 0, amounts, 1.0)
    decimals = 6 - np.floor(np.log10(positive))
    usual = (decimals >= 0) & (decimals <= 22) & (amounts > 0)  # powers of ten up to 1e22 are exact
    power = 10.0 ** np.where(usual, decimals, 0)
    scaled = positive * power
    digits = np.rint(scaled)
    # The division of two exact numbers is the nearest float64, and so is `float` of the digits. Digits next to a tie,
    # or too many or too few of them, take the slow way.
    usual &= (abs(scaled - np.floor(scaled) - 0.5) > 1e-6) & (digits >= 1e6) & (digits < 1e7)
    result: Float64 = np.where(usual, digits / power, amounts)
    for place in zip(*np.nonzero(~usual & (amounts != 0)), strict=True):
        result[place] = rounded(float(amounts[place]))
    return result


class Uncertainty:
    """Objectives, intervals, quantiles and totals of one model."""

    def __init__(self, calibration: Calibration | None, objective: Objective) -> None:
        """Initialize the uncertainty.

        Args:
            calibration: the model's calibration; None if it has only medians.
            objective: objective of requests that name none.
        """
        self._calibration, self._default = calibration, objective
        self._factors: Mapping[Objective, float] = calibration.factors if calibration is not None else {"median": 1.0}
        self.default_factor = self._factors[objective]
        self._total_objective: Objective = "mean" if calibration is not None else "median"

    def problem(self, options: AnswerOptions) -> Problem | None:
        """Return the problem of options that need a calibration, if the model has none."""
        if self._calibration is not None:
            return None
        objective = options.objective if options.objective != "median" else None
        wanted = {"levels": options.levels, "quantiles": options.quantiles, "objective": objective}
        errors = [
            FieldError(path=f"/{name}", value=str(value), detail="the model has no calibration")
            for name, value in wanted.items()
            if value is not None
        ]
        if not errors:
            return None
        detail = (
            f"{errors[0].path}: the model has no calibration, so that it forecasts medians without intervals; train it "
            "with more sales, or ask without levels, quantiles and objective"
        )
        return Problem.of("no-calibration", detail, errors)

    def objective(self, options: AnswerOptions) -> Objective:
        """Return the objective of a request's forecasts."""
        return options.objective or self._default

    def quantiles_of(
        self, forecasts: Float64, objective: Objective, store: Int64, ahead: Int64, probabilities: Sequence[float]
    ) -> Float64 | None:
        """Return quantiles of days' sales from answered forecasts, ``[row, probability]``; None without calibration.

        Args:
            forecasts: ``[row]``, forecasts; 0 on closed days.
            objective: measure that they are best for.
            store: ``[row]``, index of the store.
            ahead: ``[row]``, days ahead; 0 is the first day after the cutoff.
            probabilities: probabilities from 0.01 to 0.99.
        """
        if self._calibration is None:
            return None
        return self.quantiles(forecasts / self._factors[objective], store, ahead, probabilities)

    def factor(self, options: AnswerOptions) -> float:
        """Return the factor of the median for a request."""
        return self._factors[options.objective or self._default]

    def factors(self, options: Sequence[AnswerOptions], request: Int64) -> Float64:
        """Return the factors of the median, ``[row]``.

        Args:
            options: options of each request.
            request: ``[row]``, index of the row's request.
        """
        factors: Float64 = np.array([self.factor(of_request) for of_request in options])[request]
        return factors

    def quantiles(self, median: Float64, store: Int64, ahead: Int64, probabilities: Sequence[float]) -> Float64:
        """Return quantiles of days' sales, ``[row, probability]``; those of closed days are 0.

        Args:
            median: ``[row]``, median forecasts; 0 on closed days.
            store: ``[row]``, index of the store.
            ahead: ``[row]``, days ahead; 0 is the first day after the cutoff.
            probabilities: probabilities from 0.01 to 0.99.

        Raises:
            ValueError: if the model has no calibration.
        """
        if self._calibration is None:
            raise ValueError("the model has no calibration")
        quantiles: Float64 = median[:, None] * self._calibration.multipliers(store, ahead, np.asarray(probabilities))
        return quantiles

    def add(
        self,
        forecasts: Sequence[ItemForecast],
        options: AnswerOptions,
        *,
        median: Float64,
        store: Int64,
        ahead: Int64,
    ) -> None:
        """Add the intervals or quantiles that the options ask for to the forecasts of one request.

        Args:
            forecasts: the request's forecasts, ``[row]``.
            options: options of the request.
            median: ``[row]``, median forecasts; 0 on closed days.
            store: ``[row]``, index of the store.
            ahead: ``[row]``, days ahead; 0 is the first day after the cutoff.
        """
        quantiles = self.quantiles(median, store, ahead, options.probabilities).tolist()
        new_store = self.new_stores(store).tolist()
        for forecast, row, new in zip(forecasts, quantiles, new_store, strict=True):
            _fill(forecast, options, row)
            if new and forecast.sales:  # a closed day's interval is not wider
                forecast.warnings = [*forecast.warnings, NEW_STORE]

    def new_stores(self, store: Int64) -> Bool:
        """Return the rows whose stores have no past forecasts to compare with sales, ``[row]``."""
        assert self._calibration is not None  # `problem` has rejected the request otherwise
        return self._calibration.new_store[store]

    def total(self, forecasts: Sequence[ItemForecast], options: AnswerOptions, *, store: int, last_ahead: int) -> Total:
        """Return the total of the days of a range.

        Args:
            forecasts: forecasts of the days, at least one.
            options: options of the request.
            store: index of the store.
            last_ahead: day ahead of the last day.
        """
        ratio = self._factors[self._total_objective] / self.factor(options)
        total = Total(
            len(forecasts), rounded(ratio * sum(forecast.sales for forecast in forecasts)), self._total_objective
        )
        open_days = [forecast for forecast in forecasts if forecast.sales]
        if len(open_days) == 1:  # it is the total
            total.intervals, total.quantiles = open_days[0].intervals, open_days[0].quantiles
        elif self._calibration is not None and options.uncertain:
            probabilities = np.asarray(options.probabilities)
            multipliers = self._calibration.total_multipliers(store, len(open_days), last_ahead, probabilities)
            _fill(total, options, (total.sales * multipliers).tolist())
        return total


def compared_total(total: Total, changed: Total) -> ComparedTotal:
    """Return a total beside the total with the what-if applied."""
    what_if = WhatIfTotal(
        changed.sales,
        rounded(changed.sales - total.sales),
        rounded(changed.sales / total.sales) if total.sales else None,
        intervals=changed.intervals,
        quantiles=changed.quantiles,
    )
    return ComparedTotal(
        total.days, total.sales, total.objective, what_if, intervals=total.intervals, quantiles=total.quantiles
    )


def _fill(forecast: _Uncertain, options: AnswerOptions, quantiles: Sequence[float]) -> None:
    """Set the intervals or quantiles of a forecast or total, given the quantiles at the options' probabilities."""
    amounts = [rounded(amount) for amount in quantiles]
    if options.levels is not None:
        forecast.intervals = [
            Interval(level, low, high)
            for level, low, high in zip(options.levels, amounts[::2], amounts[1::2], strict=True)
        ]
    elif options.quantiles is not None:
        forecast.quantiles = [
            Quantile(probability, amount) for probability, amount in zip(options.quantiles, amounts, strict=True)
        ]
