"""Separating projection: the map on which labels lie apart, and an honest score of how well they do."""
