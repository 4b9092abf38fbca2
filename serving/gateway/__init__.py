"""The gateway: Envoy between the clients and TorchServe."""
