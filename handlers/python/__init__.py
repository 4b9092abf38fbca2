"""A worker that is its own HTTP server: `python -m handlers.python SETTINGS`, without TorchServe and Java."""
