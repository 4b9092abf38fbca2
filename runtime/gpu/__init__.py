"""Networks on a GPU: graphs that suit it, and batches in fixed buffers."""
