"""The console as a part of a service: the process that is started, watched, reloaded and stopped."""
