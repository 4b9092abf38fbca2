"""Linear probe: a linear head on a frozen backbone, fitted to features that are computed once.

`features` runs the backbone over photos, mirrored photos and shifted copies. `head` fits the head. `cross_validation`
gives logits of photos from heads that were not fitted to them.
"""
