"""Statements of clients about the days of stores: facts as columns, and the plans that they make."""
