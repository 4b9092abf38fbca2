"""A TorchServe instance: its archives, settings, Java, patches and processes."""
