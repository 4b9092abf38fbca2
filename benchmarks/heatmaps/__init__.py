"""Scores of heatmaps, and the photos and networks that they are measured on."""
