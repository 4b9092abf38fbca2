"""Review of photos by people, and appeals against answers."""
