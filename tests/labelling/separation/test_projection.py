"""Separating projection: its map, its honesty, and ugly inputs."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from labelling.separation.discriminant import discriminants
from labelling.separation.projection import Separation, separate


def made(n_labels=2, a_side=15, signal=4.0, seed=0, n=120, dimensions=30):
    """Return three spaces, of which "knows" knows the truth, the labels of some photos, and the truth."""
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(n) % n_labels)
    spaces = {
        name: random.normal(size=(n, dimensions)) * np.linspace(2, 0.5, dimensions) for name in ("a", "knows", "b")
    }
    spaces["knows"][:, 3 : 3 + n_labels] += signal * np.eye(n_labels)[truth]
    labels = np.full(n, -1)
    for label in range(n_labels):
        labels[np.flatnonzero(truth == label)[:a_side]] = label
    return {name: rows.astype(np.float32) for name, rows in spaces.items()}, labels, truth


def test_the_space_that_knows_the_labels_is_found_and_shown():
    spaces, labels, truth = made()
    found = separate(spaces, labels)
    assert found.space == found.ranking[0][0] == "knows"
    assert found.score > 0.9
    assert found.p_value <= 0.001
    assert found.warning is None
    assert found.text == f"separates {np.floor(100 * found.score):.0f} of 100 pairs (cross-validated)"
    assert found.n_labelled == {0: 15, 1: 15}
    assert found.positions.dtype == np.float32
    rest = labels < 0
    assert roc_auc_score(truth[rest], found.positions[rest, 0]) > 0.95


@pytest.mark.parametrize(("score", "pairs"), [(0.94, 94), (0.997, 99), (1.0, 100), (0.29, 29), (0.0, 0)])
def test_a_score_in_words_is_never_rounded_up(score, pairs):
    found = Separation("a", 1.0, np.zeros((0, 2), np.float32), score, 0.0005, (("a", score),), {})
    assert found.text == f"separates {pairs} of 100 pairs (cross-validated)"


@pytest.mark.parametrize(
    ("score", "p_value", "spaces", "words"),
    [
        (0.59, 0.0005, 1, "try all spaces"),
        (0.59, 0.0005, 2, "no space tells them apart"),
        (0.99, 0.0015, 2, "by chance"),
    ],
)
def test_a_warning_says_what_to_do(score, p_value, spaces, words):
    ranking = tuple((str(index), score) for index in range(spaces))
    warning = Separation("0", 1.0, np.zeros((0, 2), np.float32), score, p_value, ranking, {}).warning
    assert warning is not None
    assert words in warning


def test_unlabelled_photos_lie_along_one_direction_and_the_second_axis_is_orthogonal():
    spaces, labels, _ = made()
    found = separate(spaces, labels)
    rows = np.hstack([spaces["knows"], np.ones((120, 1))]).astype(np.float64)
    rest = labels < 0
    axes, *_ = np.linalg.lstsq(rows[rest], found.positions[rest], rcond=None)
    np.testing.assert_allclose(rows[rest] @ axes, found.positions[rest], atol=1e-4)
    assert axes[:-1, 0] @ axes[:-1, 1] == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(rows @ axes[:, 1], found.positions[:, 1], atol=1e-4)
    direction = axes[:-1, 0] / np.linalg.norm(axes[:-1, 0])
    rest_rows = rows[:, :-1] - np.outer(rows[:, :-1] @ direction, direction)
    largest = np.linalg.eigvalsh(np.cov(rest_rows.T))[-1]
    along = axes[:-1, 1] / np.linalg.norm(axes[:-1, 1])
    assert (rest_rows @ along).var(ddof=1) == pytest.approx(largest, rel=1e-4)


@pytest.mark.parametrize("n_labels", [2, 4])
def test_labelled_photos_lie_where_folds_put_them_that_did_not_know_them(n_labels):
    spaces, labels, _ = made(n_labels, a_side=6, signal=0, dimensions=50)
    rows = labels >= 0
    drawn, known = [], []
    for seed in range(8):
        shuffled = labels.copy()
        shuffled[rows] = np.random.default_rng(seed).permutation(labels[rows])
        found = separate({"a": spaces["a"]}, shuffled, seed=seed)
        features = spaces["a"][rows] - spaces["a"][rows].mean(axis=0)
        every_label = np.ones((1, rows.sum()), bool)
        axes = discriminants(features.astype(float), shuffled[rows], every_label, (found.shrinkage,)).axes[0, 0]
        for values, tidiness in ((found.positions[rows, 0], drawn), (features @ axes[:, 0], known)):
            groups = [values[shuffled[rows] == label] for label in range(n_labels)]
            tidiness.append(np.std([group.mean() for group in groups]) / np.mean([group.std() for group in groups]))
    assert np.mean(known) > 2 * np.mean(drawn)


def test_labels_that_mean_nothing_score_one_half_and_warn_each_time():
    scores = []
    for seed in range(50):
        spaces, _, _ = made(signal=0, seed=seed, n=60, dimensions=12)
        labels = np.full(60, -1)
        labels[:24] = np.random.default_rng(seed).permutation(np.arange(24) % 2)
        found = separate(spaces, labels, seed=seed)
        scores.append(found.score)
        assert found.warning is not None
    assert np.mean(scores) == pytest.approx(0.5, abs=0.05)
    assert max(scores) > 0.6  # a score alone would have let some pass


def test_three_labels_and_more_have_two_discriminant_axes():
    spaces, labels, truth = made(4, a_side=12, signal=7)
    found = separate(spaces, labels)
    assert found.space == "knows"
    assert found.score > 0.75
    assert found.warning is None
    centres = np.array([found.positions[labels == label].mean(axis=0) for label in range(4)])
    rest = labels < 0
    nearest = ((found.positions[rest, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == truth[rest]).mean() > 0.6


def test_the_result_is_deterministic_and_depends_on_the_order_of_labels_only_by_direction():
    spaces, labels, _ = made()
    first, again = separate(spaces, labels), separate(spaces, labels)
    assert np.array_equal(first.positions, again.positions)
    assert (first.score, first.ranking, first.p_value) == (again.score, again.ranking, again.p_value)
    named = separate(spaces, np.where(labels >= 0, labels * 7 + 3, -1))
    assert np.array_equal(first.positions, named.positions)
    assert named.n_labelled == {3: 15, 10: 15}


def test_a_label_of_one_photo_takes_no_part():
    spaces, labels, _ = made()
    more = labels.copy()
    more[np.flatnonzero(labels < 0)[0]] = 5
    assert np.array_equal(separate(spaces, more).positions, separate(spaces, labels).positions)


@pytest.mark.parametrize("labels", [[], [-1, -1], [0, 0, 0], [0, 0, 1], [0, 1, 2]])
def test_too_few_labels_are_an_error(labels):
    with pytest.raises(ValueError, match="two labels with two photos each"):
        separate({"a": np.ones((len(labels), 4))}, np.array(labels, np.int64))


@pytest.mark.parametrize("kind", ["same", "copies", "constant columns", "one column", "few"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_ugly_features_give_a_finite_map(kind, n_labels):
    spaces, labels, _ = made(n_labels, a_side=4)
    rows = spaces["knows"]
    if kind == "same":
        rows[:] = 1
    elif kind == "copies":
        rows[:] = rows[labels]
    elif kind == "constant columns":
        rows[:, ::2] = 3
    elif kind == "one column":
        rows = rows[:, :1]
    elif kind == "few":
        rows, labels = rows[: 2 * n_labels], np.arange(2 * n_labels) % n_labels
    found = separate({"a": rows}, labels)
    assert isinstance(found, Separation)
    assert found.positions.shape == (len(rows), 2)
    assert np.isfinite(found.positions).all()
    assert 0 <= found.score <= 1
    assert found.warning is not None or kind == "copies"


def test_2_against_many_labels_are_possible():
    spaces, labels, _ = made(a_side=40)
    labels[np.flatnonzero(labels == 1)[2:]] = -1
    found = separate(spaces, labels)
    assert np.isfinite(found.positions).all()
    assert found.n_labelled == {0: 40, 1: 2}


@pytest.mark.parametrize("n_labels", [2, 3])
def test_of_many_labelled_photos_some_choose_and_all_are_drawn(monkeypatch, n_labels):
    monkeypatch.setattr("labelling.separation.projection.MOST", 20 * n_labels)
    spaces, labels, _ = made(n_labels, a_side=50, n=300)
    found = separate(spaces, labels)
    assert found.space == "knows"
    assert found.n_labelled == dict.fromkeys(range(n_labels), 50)
    rows = labels >= 0
    centres = np.array([found.positions[labels == label].mean(axis=0) for label in range(n_labels)])
    nearest = (
        ((found.positions[rows, None, : n_labels - 1] - centres[:, : n_labels - 1]) ** 2).sum(axis=2).argmin(axis=1)
    )
    assert (nearest == labels[rows]).mean() > 0.85
