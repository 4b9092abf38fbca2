"""A grid of the network's as colours over the photo: numpy and Pillow alone.

The lesson draws ``imshow(grid, alpha=0.6, extent=(0, size, size, 0), interpolation="bilinear", cmap="magma")`` over
the network's own square input. Here the same picture lies on the whole photo, where the network looked at it.
"""

from base64 import b64decode
from io import BytesIO
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pets.images import Box, Photo

LONGEST = 512  # pixels of an overlay's longer side
ALPHA = 0.6  # how much of a pixel is the map's; the rest is the photo's
_FLAT = 1e-6  # of the grid's largest value: a smaller span is rounding, not a place

# Photos hold next to no repetition, which zlib spends its time searching for. Huffman codes alone make files as small
# in a fifth of the time (500 x 375 pixels: 239 kB in 10 ms; level 6 237 kB in 49 ms, level 1 264 kB in 12 ms).
_PNG = {"compress_level": 1, "compress_type": 2}  # zlib's Z_HUFFMAN_ONLY

# The colours of matplotlib's magma, dark to light, [256, 3] (van der Walt, Smith and Firing, 2015; CC0).
MAGMA: NDArray[np.uint8] = np.frombuffer(
    b64decode(
        "AAADAAAEAAAGAQAHAQEJAQELAgINAgIPAwMRBAMTBAQVBQQXBgUZBwUbCAYdCQcfCgciCwgkDAkmDQooDgoqDwssEAwvEQwxEg0zFA01FQ44"
        "Fg46Fw88GA8/GhBBGxBEHBBGHhBJHxFLIBFNIhFQIxFSJRFVJhFXKBFZKhFcKxFeLRBgLxBiMBBlMhBnNBBoNQ9qNw9sOQ9uOw9vPA9xPg9y"
        "QA9zQg90Qw91RQ92Rw93SBB4ShB5SxB5TRF6TxF7UBJ7UhJ8UxN8VRN9VxR9WBV+WhV+WxZ+XRd+Xhd/YBh/YRh/Yxl/ZRqAZhqAaBuAaRyA"
        "axyAbB2Abh6Bbx6BcR+Bcx+BdCCBdiGBdyGBeSKBeiKBfCOBfiSBfySBgSWBgiWBhCaBhSaBhyeBiSiBiiiBjCmAjSmAjyqAkSqAkiuAlCuA"
        "lSyAlyx/mS1/mi1/nC5/ni5+ny9+oS9+ozB+pDB9pjF9pzF9qTJ8qzN8rDN7rjR7sDR7sTV6szV6tTZ5tjZ5uDd4uTd4uzh3vTl3vjl2wDp1"
        "wjp1wzt0xTx0xjxzyD1yyj5yyz5xzT9wzkBw0EFv0UJu00Jt1ENt1kRs10Vr2UZq2kdp3Ehp3Ulo3kpn4Etm4Uxm4k1l5E5k5VBj5lFi51Ji"
        "6FRh6lVg61Zg7Fhf7Vlf7lte7l1d715d8GBd8WFc8mNc82Vc82db9Ghb9Wpb9Wxb9m5b9nBb93Fb93Nc+HVc+Hdc+Xlc+Xtd+X1d+n9e+oBe"
        "+oJf+4Rg+4Zg+4hh+4pi/Ixj/I5j/JBk/JJl/JNm/ZVn/Zdo/Zlp/Ztq/Z1r/Z9s/aFu/aJv/aRw/qZx/qhz/qp0/qx1/q52/q94/rF5/rN7"
        "/rV8/rd9/rl//ruA/ryC/r6D/sCF/sKG/sSI/saJ/seL/smN/suO/c2Q/c+S/dGT/dKV/dSX/daY/dia/dqc/dyd/d2f/d+h/eGj/OOl/OWm"
        "/Oao/Oiq/Oqs/Oyu/O6w/PCx/PGz/PO1/PW3+/e5+/m7+/q9+/y/"
    ),
    np.uint8,
).reshape(256, 3)


def scale(grid: NDArray[np.float32], low: float | None = None) -> NDArray[np.float32]:
    """The grid's values as 0 (dark) to 1 (light).

    Args:
        grid: ``[rows, columns]``, finite.
        low: the value that becomes 0, so that smaller ones become negative; the grid's smallest if left out.

    Returns:
        The same shape. All zeros if nothing is larger than ``low``, or if the grid has the same value everywhere: it
        does not say where.

    >>> scale(np.array([[2, 3], [4, 6]], np.float32))
    array([[0.  , 0.25],
           [0.5 , 1.  ]], dtype=float32)
    >>> scale(np.array([[2, 3], [4, 8]], np.float32), low=0)
    array([[0.25 , 0.375],
           [0.5  , 1.   ]], dtype=float32)
    """
    smallest, largest = float(grid.min()), float(grid.max())
    low = smallest if low is None else low
    if largest - max(low, smallest) <= _FLAT * max(abs(smallest), abs(largest)):
        return np.zeros(grid.shape, np.float32)
    return ((grid.astype(np.float64) - low) / (largest - low)).astype(np.float32)


def bilinear(
    grid: NDArray[np.float32], at_row: NDArray[np.float64], at_column: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The grid's values between its cells' centres; beyond the outermost centres they stay as they are there.

    Args:
        grid: ``[rows, columns]``.
        at_row: ``[height]``, 0 at the grid's upper edge and 1 at its lower edge.
        at_column: ``[width]``, 0 at its left edge and 1 at its right edge.

    Returns:
        ``[height, width]``.

    >>> halves = np.array([0.25, 0.5, 0.75])
    >>> bilinear(np.array([[0, 1], [2, 3]], np.float32), halves, halves)
    array([[0. , 0.5, 1. ],
           [1. , 1.5, 2. ],
           [2. , 2.5, 3. ]], dtype=float32)
    """

    def weights(at: NDArray[np.float64], cells: int) -> NDArray[np.float32]:
        cell = np.clip(at * cells - 0.5, 0, cells - 1)
        distance: NDArray[np.float64] = np.abs(cell[:, None] - np.arange(cells))
        return (1 - np.minimum(distance, 1)).astype(np.float32)

    return np.asarray(weights(at_row, grid.shape[0]) @ grid @ weights(at_column, grid.shape[1]).T, np.float32)


def overlay(photo: Photo, grid: NDArray[np.float32], box: Box, *, low: float | None = None) -> bytes:
    """The photo with the grid painted where the network saw it: magma, bilinear, as a PNG.

    Args:
        photo: upright; shown whole, its longer side reduced to LONGEST pixels. A smaller one keeps its pixels: whoever
            shows it can enlarge it as well as we can.
        grid: ``[rows, columns]``, finite. One that has the same value everywhere paints nothing.
        box: what the network saw, in pixels of the upright original. The photo outside it stays as it is.
        low: the value that is painted darkest, with those below it; the grid's smallest if left out, as in the lesson.
            0 is for grids whose 0 means "nothing here" (Grad-CAM): then a map that is strong everywhere, and a little
            stronger here, does not look as if it were weak elsewhere.

    Returns:
        The PNG file.
    """
    picture = reduce(photo.image)
    if (scaled := scale(grid, low)).any():
        left, right, at_column = _span(box.left / photo.width, box.right / photo.width, picture.width)
        top, bottom, at_row = _span(box.top / photo.height, box.bottom / photo.height, picture.height)
        # as matplotlib has it: 256 steps of equal width, the value 1 in the last one
        step = np.clip(bilinear(scaled, at_row, at_column) * len(MAGMA), 0, len(MAGMA) - 1).astype(np.uint8)
        colours = Image.fromarray(MAGMA.take(step, axis=0))
        picture.paste(Image.blend(picture.crop((left, top, right, bottom)), colours, ALPHA), (left, top))
    file = BytesIO()
    picture.save(file, "PNG", **_PNG)
    return file.getvalue()


def reduce(image: Image.Image, longest: int = LONGEST) -> Image.Image:
    """A copy whose longer side has at most ``longest`` pixels.

    >>> reduce(Image.new("RGB", (2000, 1000))).size, reduce(Image.new("RGB", (30, 20))).size
    ((512, 256), (30, 20))
    """
    share = min(1, longest / max(image.size))
    if share == 1:
        return image.copy()
    width, height = (max(1, round(side * share)) for side in image.size)
    return image.resize((width, height), Image.Resampling.HAMMING, reducing_gap=2.0)


def _span(start: float, stop: float, pixels: int) -> tuple[int, int, NDArray[np.float64]]:
    """The pixels of a side whose centres lie between two places, or the one that has the middle if no centre does.

    Args:
        start: of the side, 0 to 1: the photo's edges.
        stop: the same, after start.
        pixels: that the side has.

    Returns:
        The first pixel, the one after the last, and for each its centre's place: 0 at start, 1 at stop.

    >>> _span(0.25, 0.75, 4)
    (1, 3, array([0.25, 0.75]))
    """
    first = min(ceil(start * pixels - 0.5), int((start + stop) / 2 * pixels))
    last = max(first + 1, ceil(stop * pixels - 0.5))
    centres = (np.arange(first, last) + 0.5) / pixels
    return first, last, (centres - start) / (stop - start)
