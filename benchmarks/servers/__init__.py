"""Servers to measure: ours, TorchServe that does nothing, and FastAPI."""
