"""Workers: batches, telemetry, safeguards, readiness, and the servers that pass requests to them."""
