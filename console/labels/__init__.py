"""Labelling of photos in the console: projects, photos, labels, maps and search, for several people at once."""
