"""Time and memory of the start of `shopcat serve`, and of the steps of a worker's start."""
