"""Telemetry of a worker: metrics for Prometheus and the request log."""
