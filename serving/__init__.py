"""The program that `shopcat serve` runs: it starts, watches, reloads and stops the runner, Envoy and the exporter."""
