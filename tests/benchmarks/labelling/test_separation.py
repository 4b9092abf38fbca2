"""The benchmark of the separating projection: its areas, and the bias that it shows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.labelling.separation import Album, area, draws, left_out, true_area


def test_the_area_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    labels, values = random.integers(2, size=40), random.integers(9, size=40).astype(float)
    assert area(values, labels) == pytest.approx(roc_auc_score(labels, values))


def test_leave_one_out_of_labels_that_mean_nothing_scores_below_one_half():
    areas = []
    for seed in range(400):
        random = np.random.default_rng(seed)
        areas.append(left_out(random.normal(size=(12, 20)), random.permutation(np.arange(12) % 2)))
    assert np.mean(areas) < 0.47


def test_labels_are_drawn_and_the_rest_is_judged():
    random = np.random.default_rng(0)
    album = Album([*"aaabbbb" * 10], {"only": random.normal(size=(70, 5)).astype(np.float32)})
    truth = album.truth(lambda name: {"a": 0}.get(name, 1))
    album.spaces["only"][:, 0] += 9 * truth
    first, second = draws(album, truth, 6, 2)
    assert (first.labels == 0).sum() == (first.labels == 1).sum() == 6
    assert not np.array_equal(first.labels, second.labels)
    assert set(truth[first.labels == 1]) == {1}
    assert true_area(first, truth) > 0.99
