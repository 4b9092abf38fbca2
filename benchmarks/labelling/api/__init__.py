"""Measurements of labelling over the addresses of a console."""
