"""Metrics of the console, which the service's exporter adds to those of its workers."""

from prometheus_client import CollectorRegistry, Counter

REGISTRY = CollectorRegistry()
# The section is the first segment of the address.
REQUESTS = Counter("shopcat_console_requests", "Requests to the console.", ["section", "status"], registry=REGISTRY)
