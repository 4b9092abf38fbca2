"""Breeds of pets: photos, classifier, heatmaps and bundle, shared by training and serving."""
