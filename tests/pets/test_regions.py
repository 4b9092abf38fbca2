"""pets.regions: the size and the box of the animal, from hand-made grids of evidence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pets.images import Box
from pets.regions import SMALL_SHARE, closer_box, evidence_share, has_small_subject

INPUT = Box(50, 0, 950, 900)  # the middle square of a photo of 1000 x 900 pixels; a cell has 100 pixels
WIDTH, HEIGHT = 1000, 900
TINY = np.float32(np.finfo(np.float32).smallest_subnormal)


def blob(top: int, left: int, rows: int = 1, columns: int = 1, value: float = 1.0) -> NDArray[np.float32]:
    """Return a grid of 9 x 9 cells with one rectangle of evidence."""
    grid = np.zeros((9, 9), np.float32)
    grid[top : top + rows, left : left + columns] = value
    return grid


def find(grid: NDArray[np.float32]) -> Box | None:
    return closer_box(grid, INPUT, WIDTH, HEIGHT)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (4, 4), (9, 9)])
def test_the_evidence_share_of_even_evidence_is_its_share_of_the_cells(rows: int, columns: int) -> None:
    assert evidence_share(blob(0, 0, rows, columns)) == pytest.approx(rows * columns / 81)


def test_weak_cells_count_less() -> None:
    strong, weak = blob(2, 2, 3, 3), blob(0, 0, 9, 9, 0.05)
    assert 9 / 81 < evidence_share(np.maximum(strong, weak)) < 0.5 * evidence_share(np.maximum(strong, 10 * weak))


@pytest.mark.parametrize("scale", [TINY, 1e-30, 1.0, 1e30])
def test_the_scale_of_the_evidence_does_not_matter(scale: float) -> None:
    grid = blob(3, 3, 2, 2, scale)
    assert evidence_share(grid) == pytest.approx(4 / 81)
    assert has_small_subject(grid)
    assert find(grid) == find(blob(3, 3, 2, 2))


def test_a_subject_is_small_below_a_quarter_of_the_cells() -> None:
    assert SMALL_SHARE == 0.25
    assert has_small_subject(blob(0, 0, 4, 5))  # 20 of 81
    assert not has_small_subject(blob(0, 0, 3, 7))  # 21 of 81


def test_no_evidence_is_no_small_subject() -> None:
    empty = np.zeros((9, 9), np.float32)
    assert evidence_share(empty) == 1
    assert not has_small_subject(empty)
    assert find(empty) is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (6, 9)])
def test_coarse_grids_locate_nothing(shape: tuple[int, int]) -> None:
    grid = np.zeros(shape, np.float32)
    grid[0, 0] = 1
    assert not has_small_subject(grid)
    assert find(grid) is None


def test_the_box_surrounds_the_evidence_with_a_margin() -> None:
    assert find(blob(2, 3, 4, 4)) == Box(50 + 250, 150, 50 + 750, 650)


def test_the_box_is_a_square_around_long_evidence() -> None:
    assert find(blob(2, 3, 5, 2)) == Box(50 + 100, 150, 50 + 700, 750)


def test_cells_below_three_tenths_of_the_largest_value_are_outside() -> None:
    faint = np.maximum(blob(4, 4, 3, 3), blob(0, 0, 1, 1, 0.29))
    assert find(faint) == find(blob(4, 4, 3, 3))
    clear = np.maximum(blob(4, 4, 3, 3), blob(0, 0, 1, 1, 0.3))
    assert find(clear) is None


def test_a_box_has_at_least_three_cells() -> None:
    assert find(blob(4, 4)) == Box(50 + 300, 300, 50 + 600, 600)


def test_a_box_is_shifted_into_the_photo_and_may_leave_the_input() -> None:
    """The network's input is the middle square; the photo has 50 more pixels on each side of it."""
    assert find(blob(0, 0, 2, 2)) == Box(0, 0, 300, 300)
    assert find(blob(8, 8)) == Box(1000 - 300, 900 - 300, 1000, 900)


def test_a_box_above_three_quarters_of_the_input_is_not_worth_a_look() -> None:
    assert find(blob(1, 1, 5, 5)) is not None  # 6 of 9 cells with the margin
    assert find(blob(1, 1, 6, 5)) is None  # 7 of 9
    assert find(np.ones((9, 9), np.float32)) is None


@pytest.mark.parametrize("size", [1, 2, 5])
def test_boxes_of_tiny_photos_lie_within_them(size: int) -> None:
    box = closer_box(blob(8, 0), Box(0, 0, size, size), size, size)
    assert box is not None
    assert box == pytest.approx((0, size * 2 / 3, size / 3, size))


@given(
    values=st.lists(st.floats(0, 2.0**127, width=32), min_size=81, max_size=81),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
)
def test_any_grid_gives_a_square_within_the_photo(values: list[float], width: int, height: int) -> None:
    grid = np.array(values, np.float32).reshape(9, 9)
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    assert 1 / 81 - 1e-9 <= evidence_share(grid) <= 1 + 1e-9
    box = closer_box(grid, Box(left, top, left + side, top + side), width, height)
    if box is not None:
        assert 0 <= box.left < box.right <= width + 1e-9
        assert 0 <= box.top < box.bottom <= height + 1e-9
        assert box.right - box.left == pytest.approx(box.bottom - box.top)
        assert side / 3 - 1e-6 <= box.right - box.left <= 0.75 * side + 1e-6
