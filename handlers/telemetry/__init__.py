"""Telemetry of a worker: metrics for Prometheus and the audit log."""
