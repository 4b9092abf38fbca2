"""pets.heatmap: an overlay equals the fast.ai lesson's heatmap, at the right place of the photo."""

from base64 import b64encode
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from pets import heatmap
from pets.images import Box, Photo

GRID = np.array([[0, 1, 0, 0], [2, 9, 3, 0], [0, 4, 1, 5]], np.float32)


def photo(width: int, height: int, shown: tuple[int, int] | None = None, seed: int = 0) -> Photo:
    """Return a photo of blurred blobs, reduced to the size ``shown`` when it was opened."""
    blobs = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), np.uint8)
    return Photo(
        Image.fromarray(blobs).resize(shown or (width, height), Image.Resampling.BICUBIC), width, height, "PNG"
    )


def picture(png: bytes) -> NDArray[np.int16]:
    """Return the pixels of an overlay, ``[height, width, 3]``, as signed integers for differences."""
    with Image.open(BytesIO(png), formats=["PNG"]) as image:
        assert image.mode == "RGB"
        return np.asarray(image, np.int16)


def pixels(photo: Photo) -> NDArray[np.int16]:
    return np.asarray(photo.image, np.int16)


def by_matplotlib(photo: Photo, grid: NDArray[np.float32], box: Box, vmin: float | None = None) -> NDArray[np.int16]:
    """Draw as the fast.ai lesson does, with the box as extent instead of the whole input."""
    width, height = photo.image.size
    canvas = FigureCanvasAgg(Figure(figsize=(width / 100, height / 100), dpi=100))
    axes = canvas.figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(photo.image, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
    x, y = width / photo.width, height / photo.height
    extent = (box.left * x, box.right * x, box.bottom * y, box.top * y)
    axes.imshow(grid, alpha=0.6, extent=extent, interpolation="bilinear", cmap="magma", aspect="auto", vmin=vmin)
    axes.set(xlim=(0, width), ylim=(height, 0))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba(), np.int16)[..., :3]


def test_colours_equal_matplotlibs_magma() -> None:
    assert np.array_equal(heatmap.MAGMA, mpl.colormaps["magma"](np.arange(256), bytes=True)[:, :3])
    assert not heatmap.MAGMA.flags.writeable


@pytest.mark.parametrize("low", [None, -6, 0, 2])
@pytest.mark.parametrize(
    ("size", "shown", "box"),
    [
        ((352, 352), None, Box(0, 0, 352, 352)),  # as in the fast.ai lesson
        ((500, 375), None, Box(80, 20, 400, 340)),
        ((375, 500), None, Box(27.5, 90.25, 347.25, 409.75)),
        ((500, 375), None, Box(0.4, 100.5, 270.1, 374.8)),
        ((3000, 2000), (450, 300), Box(500, 0, 2500, 2000)),  # reduced when opened, like a large JPEG
    ],
)
def test_an_overlay_equals_matplotlibs_drawing(
    size: tuple[int, int], shown: tuple[int, int] | None, box: Box, low: float | None
) -> None:
    of = photo(*size, shown)
    ours, theirs = picture(heatmap.overlay(of, GRID, box, low=low)), by_matplotlib(of, GRID, box, low)
    apart = np.abs(ours - theirs).max(axis=2)
    assert np.abs(ours - pixels(of)).max() > 60  # something was painted
    assert apart.mean() < 1.2  # of 255
    # Agg blends a pixel on the box's edge; ours is painted or not by its centre
    x, y = (round(side / whole * at) for side, whole, at in zip(of.image.size, size, box[:2], strict=True))
    right, bottom = (round(side / whole * at) for side, whole, at in zip(of.image.size, size, box[2:], strict=True))
    apart[max(0, y - 1) : bottom + 1, [max(0, x - 1), x, right - 1, min(right, of.image.width - 1)]] = 0
    apart[[max(0, y - 1), y, bottom - 1, min(bottom, of.image.height - 1)], max(0, x - 1) : right + 1] = 0
    assert apart.max() <= 6


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    st.floats(0.001, 1),
)
@settings(max_examples=100, deadline=None)
def test_a_pixel_is_painted_if_its_centre_is_in_the_box(
    size: tuple[int, int], corner: tuple[float, float], side: float
) -> None:
    white = Photo(Image.new("RGB", size, "white"), *size, "PNG")  # magma has no white
    left, top = (at * length for at, length in zip(corner, size, strict=True))
    box = Box(left, top, min(size[0], left + side * size[0]), min(size[1], top + side * size[1]))
    assume(all(abs(edge % 1 - 0.5) > 1e-9 for edge in box))  # for an edge on a centre, rounding decides
    painted = (picture(heatmap.overlay(white, GRID, box)) != 255).any(axis=2)
    centres = [np.arange(length) + 0.5 for length in size]
    columns, rows = ((low <= at) & (at < high) for low, at, high in zip(box[:2], centres, box[2:], strict=True))
    for inside, low, high in ((columns, left, box.right), (rows, top, box.bottom)):
        if not inside.any():  # a box between two centres paints the pixel with its middle
            inside[int((low + high) / 2)] = True
    assert np.array_equal(painted, np.outer(rows, columns))


def test_each_pixel_has_the_value_at_its_centre() -> None:
    black = Photo(Image.new("RGB", (40, 30)), 40, 30, "PNG")
    wide = Image.fromarray(GRID / GRID.max()).resize((24, 18), Image.Resampling.BILINEAR)
    colours = mpl.colormaps["magma"](np.asarray(wide))[..., :3] * 0.6 * 255
    ours = picture(heatmap.overlay(black, GRID, Box(6, 4, 30, 22)))
    assert np.abs(ours[4:22, 6:30] - colours).max() < 3
    assert ours.sum() == ours[4:22, 6:30].sum()


def test_the_largest_value_is_painted_at_its_place_in_the_photo() -> None:
    grid = np.zeros((8, 8), np.float32)
    grid[1, 6] = 1  # its centre at 13/16 of the box's width and 3/16 of its height
    black = Photo(Image.new("RGB", (400, 300)), 4000, 3000, "JPEG")
    light = picture(heatmap.overlay(black, grid, Box(1000, 200, 3400, 2600))).sum(axis=2)
    y, x = (place.mean() for place in np.nonzero(light == light.max()))
    assert (x + 0.5, y + 0.5) == pytest.approx((100 + 240 * 13 / 16, 20 + 240 * 3 / 16), abs=0.51)


@pytest.mark.parametrize("low", [None, 0])
@pytest.mark.parametrize("value", [0, 1, -3, 1e-30, 1e30])
def test_a_constant_grid_paints_nothing(value: float, low: float | None) -> None:
    of = photo(50, 40)
    grid = np.full((7, 7), value, np.float32)
    assert np.array_equal(picture(heatmap.overlay(of, grid, Box(5, 0, 45, 40), low=low)), pixels(of))
    grid[3, 3] = np.nextafter(np.float32(value), np.float32(np.inf))  # a rounding error counts as constant
    if value:
        assert np.array_equal(picture(heatmap.overlay(of, grid, Box(5, 0, 45, 40), low=low)), pixels(of))


def test_with_low_zero_a_strong_map_looks_strong_everywhere() -> None:
    grid = np.array([[0.9, 1.0]], np.float32)
    assert heatmap.scale(grid).tolist() == [[0, 1]]
    assert heatmap.scale(grid, low=0)[0] == pytest.approx([0.9, 1])


@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=9),
    st.sampled_from([None, 0.0, -5.0, 2.0**99]),
)
def test_scaling_keeps_the_order(values: list[float], low: float | None) -> None:
    scaled = heatmap.scale(np.array([values], np.float32), low)
    assert scaled.dtype == np.float32
    assert low is not None or scaled.min() == 0
    assert scaled.max() in (0, 1)
    assert np.all(np.diff(scaled[0][np.argsort(values)]) >= 0)


@pytest.mark.parametrize("side", [16, 21, 352])
def test_interpolation_equals_pillows_bilinear(side: int) -> None:
    grid = np.random.default_rng(0).normal(size=(7, 11)).astype(np.float32)
    centres = (np.arange(side) + 0.5) / side
    theirs = np.asarray(Image.fromarray(grid).resize((side, side), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(heatmap.bilinear(grid, centres, centres), theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (500, 375, (500, 375)),
        (512, 512, (512, 512)),
        (513, 400, (512, 399)),
        (640, 853, (384, 512)),
        (32, 20, (32, 20)),
        (1, 1, (1, 1)),
        (1, 900, (1, 512)),
        (4000, 3, (512, 1)),
    ],
)
def test_the_longer_side_is_bounded(width: int, height: int, shown: tuple[int, int]) -> None:
    of = photo(width, height)
    side = min(width, height)
    box = Box((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    painted = picture(heatmap.overlay(of, GRID, box))
    assert painted.shape[1::-1] == shown
    unpainted = picture(heatmap.overlay(of, np.zeros_like(GRID), box))
    assert (painted != unpainted).any(axis=2).any()  # even if the box is smaller than a pixel


def test_an_overlay_does_not_change_the_photo() -> None:
    for width, height in [(60, 40), (900, 600)]:
        of = photo(width, height)
        before = of.image.tobytes()
        heatmap.overlay(of, GRID, Box(10, 10, 40, 40))
        assert of.image.tobytes() == before


def test_the_largest_overlay_fits_into_an_answer() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2000, 2000, 3), np.uint8)  # noise gives the largest file
    png = heatmap.overlay(Photo(Image.fromarray(noise), 2000, 2000, "PNG"), GRID, Box(0, 0, 2000, 2000))
    assert len(b64encode(png)) < 1.1e6
