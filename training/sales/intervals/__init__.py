"""Intervals of the sales model: residuals of past windows, and figures that say how far the intervals hold."""
