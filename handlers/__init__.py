"""Online: TorchServe's entry points, and TorchServe itself started and stopped. Imports nothing of training."""
