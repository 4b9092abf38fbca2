"""Metrics and probes of a running service, for Prometheus and orchestrators."""
