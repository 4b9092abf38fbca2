"""Settings of a service that were measured on the machine that it runs on: `shopcat tune`."""
