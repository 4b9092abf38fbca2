"""Contract of the review of photos by people, and of appeals against answers."""
