"""Comparison of breed heads, and pictures that show no pet."""
