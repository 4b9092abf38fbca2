"""Maps of photos: two coordinates a photo from its principal components, aligned so that maps glide into each other."""
