"""Shifted copies: strengths, sizes, and the same copy for the same seed."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.pets.data.shifts import SHIFTS, Shift, in_front, phone, random_shift

Photo = Image.Image


@pytest.fixture
def photo() -> Photo:
    """Return a photo of 300 by 200 pixels with colours, edges and fine detail."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(60, 200, (20, 30, 3), dtype=np.uint8))
    image = colours.resize((300, 200), Image.Resampling.BICUBIC)
    ImageDraw.Draw(image).ellipse((90, 50, 200, 150), fill=(200, 120, 40), outline="black", width=4)
    return image


def pixels(image: Photo) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(image, np.float64)


def detail(image: Photo) -> float:
    """Return the mean difference of neighbouring pixels at a size of 300 by 200."""
    return float(np.abs(np.diff(pixels(image.resize((300, 200)).convert("L")), axis=1)).mean())


@pytest.mark.parametrize("shift", [*SHIFTS.values(), phone])
@pytest.mark.parametrize("size", [(300, 200), (40, 500), (3, 3000), (33, 31), (1, 1)])
def test_every_shift_returns_a_changed_rgb_picture(shift: Shift, size: tuple[int, int], photo: Photo) -> None:
    image = photo.resize(size)
    shifted = shift(image, np.random.default_rng(1))
    assert shifted.mode == "RGB"
    assert min(shifted.size) >= 1
    if size == (300, 200):
        assert shifted.size != image.size or (pixels(shifted) != pixels(image)).any()


@pytest.mark.parametrize("name", SHIFTS)
def test_the_same_seed_gives_the_same_copy(name: str, photo: Photo) -> None:
    one, same, other = (pixels(SHIFTS[name](photo, np.random.default_rng(seed))) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert name == "grey" or one.shape != other.shape or (one != other).any()


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("small", lambda before, after: 64 <= min(after.size) <= 128),
        ("close", lambda before, after: 0.55 <= after.width / before.width <= 0.76),
        ("blurred", lambda before, after: detail(after) < 0.9 * detail(before)),
        ("moved", lambda before, after: detail(after) < detail(before)),
        ("noisy", lambda before, after: detail(after) > 1.3 * detail(before)),
        ("lit", lambda before, after: abs(pixels(after).mean() - pixels(before).mean()) > 15),
        ("grey", lambda before, after: np.ptp(pixels(after), axis=2).max() == 0),
        ("squeezed", lambda before, after: not 0.78 < after.width / before.width < 1.32),
        ("far", lambda before, after: 1.6 <= after.width / before.width <= 2.41),
    ],
)
def test_a_shift_does_as_its_name_says(name: str, holds: Callable[[Photo, Photo], bool], photo: Photo) -> None:
    assert all(holds(photo, SHIFTS[name](photo, np.random.default_rng(seed))) for seed in range(10))


def test_a_distant_subject_is_the_whole_photo_within_the_picture(photo: Photo) -> None:
    shifted = pixels(SHIFTS["far"](photo, np.random.default_rng(5)))
    found = [
        (row, column)
        for row in range(shifted.shape[0] - 199)
        for column in range(shifted.shape[1] - 299)
        if (shifted[row, column] == pixels(photo)[0, 0]).all()
        and (shifted[row : row + 200, column : column + 300] == pixels(photo)).all()
    ]
    assert len(found) == 1


def test_another_background_keeps_the_animal(photo: Photo) -> None:
    mask = Image.new("L", photo.size)
    ImageDraw.Draw(mask).ellipse((90, 50, 200, 150), fill=255)
    shifted = pixels(in_front(photo, np.random.default_rng(0), mask))
    difference = np.abs(shifted - pixels(photo)).max(2)
    assert difference[90:110, 120:170].max() == 0
    assert difference[:30].mean() > 20


def test_random_shifts_are_of_every_kind(photo: Photo) -> None:
    sizes = {random_shift(photo, np.random.default_rng(seed)).size for seed in range(60)}
    assert len(sizes) > 20
