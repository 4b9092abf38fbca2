"""Receipts, true values that come back, and what they say about a model."""
