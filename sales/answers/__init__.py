"""Answers to requests, composed of forecasts: objectives, intervals, totals, comparisons and explanations."""
