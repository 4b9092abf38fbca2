"""Uncertainty of forecasts: residuals of past windows, and the intervals, quantiles and objectives that follow."""
