"""Discriminant axes and the area under the ROC curve against scikit-learn."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from labelling.separation.discriminant import SHRINKAGES, area, compare, discriminants, merit
from labelling.separation.splits import Splits, hold_out


def labelled(n, n_labels, dimensions, seed=0):
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(n) % n_labels)
    rows = random.normal(size=(n, dimensions)) * np.geomspace(3, 0.1, dimensions)
    rows += random.normal(size=(n_labels, dimensions))[labels] * 0.5
    return rows - rows.mean(axis=0), labels


@pytest.mark.parametrize(("n_labels", "n_axes"), [(2, 1), (3, 2)])
def test_axes_are_those_of_scikit_learns_shrunk_lda(n_labels, n_axes):
    rows, labels = labelled(60, n_labels, 8)
    training = np.random.default_rng(1).random((4, 60)) < 0.7
    found = discriminants(rows, labels, training)
    assert found.axes.shape == (4, len(SHRINKAGES), 8, n_axes)
    for row, known in enumerate(training):
        for column, shrinkage in enumerate(SHRINKAGES):
            reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(rows[known], labels[known])
            directions = (reference.coef_[1:] - reference.coef_[0] if n_labels > 2 else reference.coef_).T
            assert subspace_angles(found.axes[row, column], directions).max() < 1e-6
            for label in range(n_labels):
                mean = rows[known & (labels == label)].mean(axis=0)
                np.testing.assert_allclose(found.centres[row, column, label], mean @ found.axes[row, column])


def test_shrinkage_1_is_the_difference_of_means():
    rows, labels = labelled(30, 2, 5)
    axis = discriminants(rows, labels, np.ones((1, 30), bool), (1.0,)).axes[0, 0, :, 0]
    difference = rows[labels == 1].mean(axis=0) - rows[labels == 0].mean(axis=0)
    assert abs(axis @ difference) == pytest.approx(np.linalg.norm(axis) * np.linalg.norm(difference))


def test_the_covariance_within_labels_is_1_along_the_axes():
    rows, labels = labelled(90, 4, 6)
    axes = discriminants(rows, labels, np.ones((1, 90), bool), (0.0,)).axes[0, 0]
    within = rows - np.array([rows[labels == label].mean(axis=0) for label in range(4)])[labels]
    np.testing.assert_allclose(axes.T @ (within.T @ within / 90) @ axes, np.eye(2), atol=1e-9)


def test_coordinates_within_the_span_give_the_same_places():
    rows, labels = labelled(12, 2, 30)
    inside = rows @ np.linalg.svd(rows, full_matrices=False)[2].T
    training = hold_out(labels, np.random.default_rng(0)) == 0
    plain, reduced = discriminants(rows, labels, training), discriminants(inside, labels, training, dimensions=30)
    places, others = rows @ plain.axes, inside @ reduced.axes
    signs = np.sign((places * others).sum(axis=2, keepdims=True))
    np.testing.assert_allclose(places, others * signs, atol=1e-8)


def test_two_labels_score_the_area_of_scikit_learn():
    rows, labels = labelled(50, 2, 6)
    held = hold_out(labels, np.random.default_rng(0))
    splits = Splits.of(~held, held, labels)
    areas = area(compare(discriminants(rows, labels, ~held), rows, splits))
    for row, out in enumerate(held):
        for column, shrinkage in enumerate(SHRINKAGES):
            reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(rows[~out], labels[~out])
            expected = roc_auc_score(labels[out], reference.decision_function(rows[out]))
            assert areas[row, column] == pytest.approx(expected)


def test_three_labels_score_the_mean_area_along_the_lines_between_their_means():
    rows, labels = labelled(60, 3, 6)
    held = hold_out(labels, np.random.default_rng(0))[:1]
    splits = Splits.of(~held, held, labels)
    found = discriminants(rows, labels, ~held, (0.5,))
    places, centres, out = rows @ found.axes[0, 0], found.centres[0, 0], held[0]
    expected = []
    for first, second in ((0, 1), (0, 2), (1, 2)):
        pair = out & np.isin(labels, (first, second))
        along = places[pair] @ (centres[second] - centres[first])
        expected.append(roc_auc_score(labels[pair] == second, along))
    assert area(compare(found, rows, splits))[0, 0] == pytest.approx(np.mean(expected))


def test_equal_values_count_as_half_and_labels_without_pairs_are_left_out():
    tally = np.zeros((4, 3, 3))
    tally[0, 0, 1] = tally[0, 1, 0] = 4
    tally[1, 0, 1], tally[1, 1, 0] = 3.5, 0.5
    assert area(tally) == 3.5 / 4
    assert area(tally * 0) == merit(tally * 0) == 0.5
    labels = np.array([0, 0, 1, 1])
    held = hold_out(labels, np.random.default_rng(0))
    splits = Splits.of(~held, held, labels)
    same = compare(discriminants(np.zeros((4, 3)), labels, ~held), np.zeros((4, 3)), splits)
    assert area(same).tolist() == merit(same).tolist() == [[0.5] * 4] * 2


def test_among_axes_that_order_all_pairs_the_clearer_one_has_more_merit():
    labels = np.arange(20) % 2
    noise = np.random.default_rng(0).normal(size=(20, 2))
    held = hold_out(labels, np.random.default_rng(0))
    splits = Splits.of(~held, held, labels)
    merits = []
    for distance in (8, 20):
        rows = noise + distance * labels[:, None]
        tally = compare(discriminants(rows, labels, ~held, (0.5,)), rows, splits).sum(axis=0)[0]
        assert area(tally) == 1
        merits.append(merit(tally))
    assert 1 < merits[0] < merits[1] < 1 + 2e-6


@pytest.mark.parametrize("scale", [0, 1e-20, 1e20])
def test_labels_of_copies_and_of_one_photo_have_finite_axes(scale):
    labels = np.array([0, 0, 0, 1, 2])
    rows = scale * np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 2, 0]])
    found = discriminants(rows, labels, np.ones((1, 5), bool))
    assert np.isfinite(found.axes).all()
    assert np.isfinite(found.centres).all()
