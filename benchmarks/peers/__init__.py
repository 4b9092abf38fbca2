"""Scripts of peers: the same work as a benchmark, as users of other libraries do it."""
