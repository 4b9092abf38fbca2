"""Measurements of the labelling library."""
