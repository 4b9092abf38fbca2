"""Features of photos: pooled feature maps of a bundle's network, cached, and their principal components by space."""
