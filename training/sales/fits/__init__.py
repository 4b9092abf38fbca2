"""Fits of the sales model that do not depend on each other, in parallel processes."""
