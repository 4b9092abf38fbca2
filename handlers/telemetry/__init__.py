"""Metrics and audit-log lines of a worker: recorded after the responses have been sent."""
