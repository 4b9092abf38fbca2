"""benchmarks.heatmaps.regions: copies with small animals, scores for two animals, and the printed tables."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.heatmaps.composites import Cutout, farther, inside_share, side_by_side
from benchmarks.heatmaps.regions import ORIGINAL, Result, activation_outside, second_peak, tables


def cutout(colour: str = "red", width: int = 300, height: int = 200) -> Cutout:
    """Return a photo with a square animal, 100 pixels wide, in its middle."""
    mask = Image.new("L", (width, height))
    left, top = (width - 100) // 2, (height - 100) // 2
    mask.paste(255, (left, top, left + 100, top + 100))
    return Cutout(
        Image.composite(Image.new("RGB", mask.size, colour), Image.new("RGB", mask.size, "white"), mask), mask
    )


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("times", [2, 3, 4])
def test_a_farther_animal_has_its_share_of_the_area(times: float, cut: bool) -> None:
    generator = np.random.default_rng(0)
    picture, share = farther(cutout(), Image.new("RGB", (30, 20), "blue"), times, cut=cut, generator=generator)
    assert min(picture.size) == pytest.approx(min(640, 200 * times), abs=2)
    assert inside_share(cutout().mask) == 0.25
    assert share == pytest.approx(0.25 / times**2, rel=0.1)
    pixels = np.asarray(picture).reshape(-1, 3).astype(int)
    red = ((pixels[:, 0] > 200) & (pixels[:, 1:].max(1) < 60)).mean()
    assert red == pytest.approx(100 * 100 / (300 * 200) / times**2, rel=0.2)
    assert (pixels == 255).all(1).any() == (not cut)  # the photo's white


def test_two_animals_are_side_by_side() -> None:
    picture = np.asarray(side_by_side(cutout("red"), cutout("lime"), side=200))
    assert picture.shape == (200, 200, 3)
    assert picture[100, 50].tolist() == [255, 0, 0]
    assert picture[100, 150].tolist() == [0, 255, 0]


@pytest.mark.parametrize(
    ("grid", "prominence"),
    [
        ([[0, 0], [0, 0]], 0.0),
        ([[1, 1], [1, 1]], 0.0),
        ([[4, 2, 1]], 0.0),
        ([[4, 0, 2]], 0.5),
        ([[4, 0, 4]], 1.0),
        ([[4, 0, 0], [0, 4, 0], [0, 0, 4]], 0.0),  # cells touch at corners
        ([[4, 0, 2, 0, 3]], 0.75),
    ],
)
def test_the_second_peak_stands_out_by_its_height_above_the_saddle(grid: list[list[float]], prominence: float) -> None:
    assert second_peak(np.array(grid, float)) == prominence


def test_even_activation_is_outside_nothing() -> None:
    assert activation_outside(np.array([[1.0, 0.0]]), np.array([[2.0, 2.0]])) == 0


def test_the_tables_have_a_row_for_each_kind_of_picture() -> None:
    right = Result(0.4, True, True, False, True, True, 0.5, False, 0.1, 0.1)
    far = Result(0.05, False, True, True, False, True, 0.1, True, 0.1, 0.1)
    two = right._replace(share=np.nan, peaks=0.6)
    text = tables({ORIGINAL: [right] * 4, "far": [far, right._replace(share=0.09)] * 2, "two breeds": [two] * 3})
    assert "| far | 4 | 0.07 | 0.500 | 1.000 | +0.500 ± 0.289 | 0.500 | 1.000 | 0.50 |" in text
    assert "| far | 0.500 | 4 | 0.50 | 0.75 |" in text
    assert f"| {ORIGINAL} | 0.000 | 0 | - | - |" in text
    assert "| two breeds | 1.00, 1.00 | 0.00, 0.50 |" in text
