"""The pets contract: requests with a photo, answers with heatmaps."""
