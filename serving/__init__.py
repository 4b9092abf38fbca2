"""The program that `shopcat serve` runs: it starts, watches, reloads and stops TorchServe, Envoy and the exporter."""
