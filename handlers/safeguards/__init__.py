"""Safeguards of a worker: against requests that end it, too much memory, and a device that fails."""
