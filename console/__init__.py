"""The pages of a service and their API, in a process of its own behind the gateway."""
