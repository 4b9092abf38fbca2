"""Synthetic chains that differ from Rossmann in everything, and forecasts of them beside those of other methods."""
