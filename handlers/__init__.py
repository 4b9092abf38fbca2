"""Code that TorchServe loads into a worker: entry points, batches, the wire protocol, telemetry."""
