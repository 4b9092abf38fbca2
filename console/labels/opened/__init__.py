"""Open projects: their rows and arrays, the streams of those who label, and processes that work for them."""
