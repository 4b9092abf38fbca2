"""The runner without TorchServe and Java: each instance is one worker process, which is its own HTTP server."""
