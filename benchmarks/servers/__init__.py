"""Servers to measure: ours, TorchServe that does nothing, FastAPI, LitServe and Triton."""
