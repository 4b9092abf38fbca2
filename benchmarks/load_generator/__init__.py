"""HTTP load generator, and request bodies for it."""
