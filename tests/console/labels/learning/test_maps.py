"""Scaling of maps: photos fill the square, and keep their order along both axes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from console.labels.learning.maps import fitted
from labelling.neighbours import nearest

Positions = NDArray[np.float32]
CELLS = 12  # along a side of the square


def groups() -> Positions:
    """Return two groups of photos on a long and narrow map, with a wide gap and a photo far out."""
    random = np.random.default_rng(0)
    centres = np.repeat([[0, 0], [100, 5]], 150, axis=0)
    positions = centres + random.normal(0, 3, (300, 2))
    positions[0] = [-300, 40]
    return positions.astype(np.float32)


def filled(positions: Positions) -> float:
    """Return the share of the square's cells that have photos."""
    cells = np.floor((positions + 1) / 2 * CELLS).clip(0, CELLS - 1)
    return len(np.unique(cells, axis=0)) / CELLS**2


def test_photos_fill_the_square_whatever_is_far_out() -> None:
    before, after = groups(), fitted(groups())
    middle = (before.max(axis=0) + before.min(axis=0)) / 2
    plain = (before - middle) / np.abs(before - middle).max()
    assert filled(after) > 5 * filled(plain)
    assert (after.min(axis=0).tolist(), after.max(axis=0).tolist()) == ([-1, -1], [1, 1])


def test_photos_keep_their_order_along_both_axes() -> None:
    before = groups()
    before[10:20] = before[30]  # copies
    after = fitted(before)
    for axis in (0, 1):
        np.testing.assert_array_equal(rankdata(after[:, axis]), rankdata(before[:, axis]))


def test_groups_stay_apart_and_photos_keep_most_neighbours() -> None:
    before, after = groups()[1:], fitted(groups()[1:])
    kind = np.arange(299) >= 149
    near = [nearest(positions, positions, 10, exclude_self=True).indices for positions in (before, after)]
    assert (kind[near[1]] == kind[:, None]).mean() > 0.99
    kept = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(*near, strict=True)])
    assert kept > 0.7


@pytest.mark.parametrize("photos", [0, 1, 2, 3])
def test_few_photos_and_photos_at_one_place_have_places(photos: int) -> None:
    for positions in (np.zeros((photos, 2), np.float32), np.full((photos, 2), 7, np.float32), groups()[:photos]):
        found = fitted(positions)
        assert found.shape == (photos, 2)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert np.abs(found).max(initial=0) <= 1
