"""Columns of the model: each is declared once, in the module of its kind.

A module declares its columns (``COLUMNS``) and computes them. `production` and `parity` are the two sets of columns.
"""
