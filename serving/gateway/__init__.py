"""The gateway: Envoy between the clients and the runner's instances."""
