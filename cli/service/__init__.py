"""Commands that run a service, or measure one."""
