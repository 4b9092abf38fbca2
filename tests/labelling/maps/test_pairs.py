"""Pairs of PaCMAP: their counts, and what makes a pair near, middle or far."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from labelling.maps import pairs
from labelling.maps.pairs import choose_pairs


def chosen(n, seed=0, dimensions=6):
    rows = np.random.default_rng(seed).normal(size=(n, dimensions)).astype(np.float32)
    return rows, choose_pairs(rows, np.random.default_rng(seed))


@pytest.mark.parametrize("n", [8, 9, 12, 31, 64, 300])
def test_no_row_is_its_own_partner_and_no_far_row_is_near(n):
    _, found = chosen(n)
    assert found.near.shape == (min(10, (n - 1) // 3), n)
    assert found.middle.shape == (5, n)
    assert found.far.shape == (20, n)
    for row in range(n):
        near = set(found.near[:, row])
        assert len(near) == len(found.near)
        assert row not in {*near, *found.middle[:, row], *found.far[:, row]}
        assert not near & set(found.far[:, row])


def test_near_pairs_are_nearest_by_locally_scaled_distance():
    rows, found = chosen(40)
    distances = cdist(rows, rows)
    scale = np.sort(distances, axis=1)[:, 4:7].mean(axis=1)
    scaled = distances**2 / np.outer(scale, scale)
    np.fill_diagonal(scaled, np.inf)
    for row in range(40):
        assert set(found.near[:, row]) == set(np.argsort(scaled[row])[:10])


def test_middle_pairs_are_nearer_than_random_ones_but_not_nearest(monkeypatch):
    monkeypatch.setattr(pairs, "BLOCK", 1000)  # several blocks
    rows, found = chosen(400)
    distances = cdist(rows, rows)
    rank = distances.argsort(axis=1).argsort(axis=1) / 399
    middle = rank[np.arange(400), found.middle].mean()
    assert middle == pytest.approx(2 / 7, abs=0.02)  # the mean of the second smallest of 6 uniform numbers
    assert rank[np.arange(400), found.far].mean() == pytest.approx(0.5, abs=0.03)


def test_copies_keep_the_pairs_of_the_others():
    rows = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    rows[:30] = rows[0]
    found = choose_pairs(rows, np.random.default_rng(0))
    assert (found.near[:, :30] < 30).all()
