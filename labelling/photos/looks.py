"""Difference hash of a photo: 64 bits that near duplicates share, such as a photo and its smaller copy.

Each bit says if a pixel of the photo, reduced to 9 by 8 grey pixels, is brighter than its left neighbour (N. Krawetz,
"Kind of Like That", 2013).
"""

import numpy as np
from PIL import Image


def dhash(image: Image.Image) -> int:
    """Return the difference hash of a photo in RGB; the first bit is that of the upper left corner."""
    grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.LANCZOS, reducing_gap=2.0))
    brighter = grey[:, 1:] > grey[:, :-1]
    return int.from_bytes(np.packbits(brighter).tobytes(), "big")
