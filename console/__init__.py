"""The pages of a service and their API, in a separate process behind the gateway."""
