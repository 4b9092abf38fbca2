"""Parts of photos: the breed of each."""
