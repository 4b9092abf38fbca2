"""Overlays: a heatmap's grid as colours over the photo, with numpy and Pillow alone.

The network itself computes the grids, ``[rows, columns]``, from its last feature maps ``A_c``:

- activation: ``mean_c A_c``, as in the fast.ai lesson.
- gradcam: ``relu(sum_c w_c A_c)``, where ``w_c`` is the mean of ``d score / d A_c`` over the map's cells
  (Grad-CAM: Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391). For a network that ends in global average pooling
  and one linear layer, ``w_c`` is that layer's weight divided by the number of cells: CAM (Zhou et al.
  2016, https://arxiv.org/abs/1512.04150).

The fast.ai lesson draws ``imshow(grid, alpha=0.6, extent=(0, size, size, 0), interpolation="bilinear", cmap="magma")``
over the network's square input. `overlay` draws the same on the whole photo, at the place of that input.
"""

from importlib import resources
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pets import png
from pets.images import Box, Photo

LONGEST = 512  # pixels of an overlay's longer side
ALPHA = 0.6  # share of the heatmap in a pixel's colour
_FLAT = 1e-6  # share of the grid's largest value; a smaller span is rounding noise

# Colours of matplotlib's magma, [256, 3], dark to light (van der Walt, Smith and Firing, 2015; CC0).
MAGMA: NDArray[np.uint8] = np.frombuffer(
    resources.files("pets").joinpath("magma.bin").read_bytes(), dtype=np.uint8
).reshape(256, 3)


def scale(grid: NDArray[np.float32], low: float | None = None) -> NDArray[np.float32]:
    """Scale a grid's values to 0 (dark) to 1 (light).

    Args:
        grid: ``[rows, columns]``, finite.
        low: the value that becomes 0; smaller values become negative. Default: the grid's smallest value.

    Returns:
        The scaled grid. It is 0 everywhere if no value exceeds ``low``, or if all values are the same.

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
    """Interpolate a grid between the centres of its cells. Beyond the outermost centres the values stay constant.

    Args:
        grid: ``[rows, columns]``.
        at_row: ``[height]``, vertical positions: 0 is the grid's upper edge, 1 its lower edge.
        at_column: ``[width]``, horizontal positions: 0 is the grid's left edge, 1 its right edge.

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
    """Return the photo with a grid painted over the network's input, in magma colours, as a PNG file.

    Args:
        photo: the photo. Its longer side is reduced to LONGEST pixels; a smaller photo keeps its size.
        grid: ``[rows, columns]``, finite. A grid with the same value everywhere paints nothing.
        box: the network's input, in pixels of the upright original. Pixels outside it do not change.
        low: the value that gets the darkest colour, with all values below it. Default: the grid's smallest value, as in
            the fast.ai lesson. Use 0 for Grad-CAM, where 0 means no evidence: otherwise a grid that is strong
            everywhere would look weak in places.

    Returns:
        The PNG file.

    >>> from io import BytesIO
    >>> photo = Photo(Image.new("RGB", (64, 48), "gray"), 64, 48, "PNG")
    >>> grid = np.array([[0, 0], [0, 1]], np.float32)
    >>> painted = Image.open(BytesIO(overlay(photo, grid, Box(8, 0, 56, 48), low=0)))
    >>> painted.size, painted.getpixel((0, 0)), painted.getpixel((50, 40))
    ((64, 48), (128, 128, 128), (201, 202, 165))
    """
    picture = reduce(photo.image)
    if (scaled := scale(grid, low)).any():
        left, right, at_column = _span(box.left / photo.width, box.right / photo.width, picture.width)
        top, bottom, at_row = _span(box.top / photo.height, box.bottom / photo.height, picture.height)
        # as in matplotlib: 256 steps of equal width, with the value 1 in the last step
        step = np.clip(bilinear(scaled, at_row, at_column) * len(MAGMA), 0, len(MAGMA) - 1).astype(np.uint8)
        colours = Image.fromarray(step)
        colours.putpalette(MAGMA.tobytes())
        painted = Image.blend(picture.crop((left, top, right, bottom)), colours.convert("RGB"), ALPHA)
        picture.paste(painted, (left, top))
    return png.encode(np.asarray(picture))


def reduce(image: Image.Image, longest: int = LONGEST) -> Image.Image:
    """Return a copy whose longer side has at most ``longest`` pixels.

    >>> reduce(Image.new("RGB", (2000, 1000))).size, reduce(Image.new("RGB", (30, 20))).size
    ((512, 256), (30, 20))
    """
    share = min(1, longest / max(image.size))
    if share == 1:
        return image.copy()
    width, height = (max(1, round(side * share)) for side in image.size)
    return image.resize((width, height), Image.Resampling.HAMMING, reducing_gap=2.0)


def _span(start: float, stop: float, pixels: int) -> tuple[int, int, NDArray[np.float64]]:
    """Return the pixels of a side whose centres lie in an interval. If none does, return the pixel in its middle.

    Args:
        start: start of the interval, as a share of the side.
        stop: end of the interval, as a share of the side.
        pixels: number of pixels of the side.

    Returns:
        The first pixel, the pixel after the last, and each centre's position: 0 at ``start``, 1 at ``stop``.

    >>> _span(0.25, 0.75, 4)
    (1, 3, array([0.25, 0.75]))
    """
    first = min(ceil(start * pixels - 0.5), int((start + stop) / 2 * pixels))
    last = max(first + 1, ceil(stop * pixels - 0.5))
    centres = (np.arange(first, last) + 0.5) / pixels
    return first, last, (centres - start) / (stop - start)
