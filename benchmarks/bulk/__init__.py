"""What jobs over many files cost."""
