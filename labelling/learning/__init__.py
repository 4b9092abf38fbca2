"""Learning from a few labels: classifier, search, suggestions, checks of labels, and the random audit.

All functions take plain arrays. ``rows`` are the principal components of one space, ``[photo, component]``. ``labels``
are numbers from 0, or UNLABELLED, or CANT_TELL. ``audit`` marks the photos that are held back for the audit: nothing
here trains on them, finds them or suggests them.
"""
