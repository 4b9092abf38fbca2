"""Costs of jobs over many files."""
