"""Labelling projects on disk: photos, labels, append-only events, embedding, and export; several people at once."""
