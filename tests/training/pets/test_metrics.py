import math

import numpy as np
import pytest
from sklearn import metrics as sk

from runtime.shares import wilson
from training.pets.metrics import (
    accuracy,
    confusion_matrix,
    mean_over_classes,
    most_confused,
    top_k_accuracy,
)


@pytest.fixture(scope="module")
def said():
    """Labels and predictions of 300 photos of six of seven classes, two thirds of them right."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 300)
    return labels, np.where(rng.random(300) < 0.67, labels, rng.integers(0, 7, 300))


def test_accuracy_and_confusion_equal_scikit_learn(said):
    labels, says = said
    assert accuracy(labels, says) == pytest.approx(sk.accuracy_score(labels, says))
    matrix = confusion_matrix(labels, says, 7)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(labels, says, labels=range(7)))
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        theirs = sk.balanced_accuracy_score(labels, says)  # leaves the class without photos out, as we do
    assert mean_over_classes(matrix)[0] == pytest.approx(theirs)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_equals_scikit_learn(said, k):
    labels, _ = said
    scores = np.random.default_rng(1).normal(size=(300, 7)) + 2 * np.eye(7)[labels]
    assert top_k_accuracy(labels, scores, k) == pytest.approx(
        sk.top_k_accuracy_score(labels, scores, k=k, labels=range(7))
    )


def test_top_1_is_the_accuracy_and_top_all_is_1():
    scores = np.random.default_rng(2).integers(0, 3, (200, 4)).astype(float)  # with many ties
    labels = np.random.default_rng(3).integers(0, 4, 200)
    assert top_k_accuracy(labels, scores, 1) == accuracy(labels, scores.argmax(axis=1))
    assert top_k_accuracy(labels, scores, 9) == 1


def test_metrics_without_photos_are_nan():
    assert math.isnan(accuracy([], []))
    assert math.isnan(top_k_accuracy([], np.empty((0, 3)), 2))
    mean, interval = mean_over_classes(np.zeros((3, 3), int))
    assert math.isnan(mean)
    assert interval == (0, 1)


def test_most_confused_equals_a_plain_count_of_pairs(said):
    pairs = [(int(i), int(j)) for i, j in zip(*said, strict=True) if i != j]
    counts = {pair: pairs.count(pair) for pair in pairs}
    for least in (1, 2, 5):
        ours = most_confused(confusion_matrix(*said, 7), least)
        assert {(pair.actual, pair.predicted): pair.photos for pair in ours} == {
            pair: count for pair, count in counts.items() if count >= least
        }
        assert [pair.photos for pair in ours] == sorted((pair.photos for pair in ours), reverse=True)


def test_most_confused_equals_fastais(said):
    interpret = pytest.importorskip("fastai.interpret")
    matrix = confusion_matrix(*said, 7)

    class Theirs(interpret.ClassificationInterpretation):
        vocab = range(7)

        def __init__(self):
            pass

        def confusion_matrix(self):
            return matrix.copy()

    ours = [tuple(pair) for pair in most_confused(matrix, 3)]
    assert ours == [tuple(map(int, pair)) for pair in Theirs().most_confused(min_val=3)]


def test_the_interval_of_one_class_equals_wilsons():
    matrix = np.array([[9, 1], [0, 0]])
    assert mean_over_classes(matrix) == (0.9, wilson(9, 10))


@pytest.mark.parametrize("recall", [0.9, 0.97])
def test_the_interval_over_breeds_covers_the_truth_in_95_percent(recall):
    """Ten breeds have one photo. There a bootstrap over the photos of each breed covers the truth half of the time."""
    photos = np.array([1] * 10 + [2] * 6 + [3] * 2 + [4, 8, 8, 9, 98, 100, 100])
    rng = np.random.default_rng(0)
    ours, bootstrapped = [], []
    for right in rng.binomial(photos, recall, (400, len(photos))):
        matrix = np.zeros((len(photos) + 1,) * 2, int)
        np.fill_diagonal(matrix, [*right, 0])
        matrix[:-1, -1] = photos - right
        _, (low, high) = mean_over_classes(matrix)
        ours.append(low <= recall <= high)
        again = (rng.binomial(photos, right / photos, (200, len(photos))) / photos).mean(axis=1)
        bootstrapped.append(np.quantile(again, 0.025) <= recall <= np.quantile(again, 0.975))
    assert 0.92 <= np.mean(ours) <= 0.98
    assert np.mean(bootstrapped) < 0.65
