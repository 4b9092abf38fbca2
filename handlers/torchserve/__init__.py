"""TorchServe as the server of a worker: its wire protocol, and the handler that it loads."""
