"""TorchServe as one thing that is started and stopped: archives, settings, Java, patches, processes."""
