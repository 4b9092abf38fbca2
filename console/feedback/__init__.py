"""Feedback: true values that come back, and the figures that follow from them."""
