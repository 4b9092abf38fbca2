"""Permutation test: exact against all permutations, even for labels that mean nothing, and blind to copies."""

from itertools import combinations

import numpy as np
import pytest

from labelling.separation.chance import chance


def test_the_p_value_is_that_of_all_permutations():
    random = np.random.default_rng(0)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    rows = random.normal(size=(8, 3)) + np.array([0.8, 0, 0]) * labels[:, None]
    rows -= rows.mean(axis=0)
    singular = np.linalg.svd(rows, compute_uv=False) ** 2
    inverse = [
        np.linalg.inv((1 - share) * rows.T @ rows + share * singular.mean() * np.eye(3)) for share in (1, 0.9, 0.5, 0.1)
    ]
    distances = []
    for first in combinations(range(8), 4):
        weight = np.where(np.isin(np.arange(8), first), 0.25, -0.25)
        mean = weight @ rows
        single = [((weight[:, None] * rows) @ matrix * (weight[:, None] * rows)).sum() for matrix in inverse]
        distances.append([mean @ matrix @ mean - square for matrix, square in zip(inverse, single, strict=True)])
    table = np.array(distances)
    largest = ((table - table.mean(axis=0)) / table.std(axis=0)).max(axis=1)
    exact = (largest >= largest[0] - 1e-6).mean()
    assert chance([rows], labels, random) == pytest.approx(exact, abs=0.04)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_labels_that_mean_nothing_have_even_p_values(n_labels, monkeypatch):
    monkeypatch.setattr("labelling.separation.chance.DRAWS", 99)
    p_values = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        labels = random.permutation(np.arange(20) % n_labels)
        spaces = [random.normal(size=(20, 5)) for _ in range(4)]
        p_values.append(chance([rows - rows.mean(axis=0) for rows in spaces], labels, random))
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=3 * (level * (1 - level) / 200) ** 0.5)


def test_labels_that_lie_far_apart_have_the_smallest_p_value():
    random = np.random.default_rng(0)
    labels = np.arange(30) % 3
    spaces = [random.normal(size=(30, 5)), random.normal(size=(30, 5)) + 9 * np.eye(5)[labels]]
    assert chance([rows - rows.mean(axis=0) for rows in spaces], labels, random) == 1 / 2000


def test_blocks_do_not_change_the_result(monkeypatch):
    random = np.random.default_rng(0)
    rows = random.normal(size=(20, 5))
    labels = np.arange(20) % 2
    expected = chance([rows - rows.mean(axis=0)], labels, np.random.default_rng(1))
    monkeypatch.setattr("labelling.separation.chance.BLOCK", 40 * 77)
    assert chance([rows - rows.mean(axis=0)], labels, np.random.default_rng(1)) == expected


def test_equal_rows_are_never_apart():
    assert chance([np.zeros((6, 4))], np.arange(6) % 2, np.random.default_rng(0)) == 1
