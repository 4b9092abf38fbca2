"""Breeds of pets: photos, classifier, heatmaps and bundle, shared by training and serving.

Heatmaps follow the notebook lesson6-pets-more.ipynb of the fast.ai lesson, which `sales` names.
"""
