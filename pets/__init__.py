"""Breeds of pets: photos, classifier, heatmaps and bundle, shared by training and serving.

"The lesson" is the one named in `sales`; its notebook lesson6-pets-more.ipynb draws the heatmaps.
"""
