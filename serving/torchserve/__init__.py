"""A TorchServe instance: its settings, Java, patches and processes."""
