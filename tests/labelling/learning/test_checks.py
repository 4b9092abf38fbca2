import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from labelling.learning.arrays import UNLABELLED
from labelling.learning.checks import doubtful_labels, odd_photos, review_order, typicality
from tests.labelling.learning.photos import Photos


@pytest.mark.parametrize("neighbours", [1, 5, 10])
def test_typicality_is_the_mean_cosine_to_neighbours_outside_the_audit(photos: Photos, neighbours: int) -> None:
    typical = typicality(photos.rows, photos.audit, neighbours=neighbours)
    free = np.flatnonzero(~photos.audit)
    cosines = cosine_similarity(photos.rows[free].astype(float))
    np.fill_diagonal(cosines, -9)
    np.testing.assert_allclose(typical[free], np.sort(cosines, axis=1)[:, -neighbours:].mean(axis=1), atol=1e-5)
    assert np.isnan(typical[photos.audit]).all()


def test_neighbours_from_a_sample_give_nearly_the_same_order(photos: Photos) -> None:
    free = ~photos.audit
    everything = typicality(photos.rows, photos.audit, neighbours=10)[free]
    sampled = typicality(photos.rows, photos.audit, neighbours=10, among=150)[free]
    assert np.corrcoef(everything, sampled)[0, 1] > 0.9


def test_exact_copies_of_one_photo_are_as_typical_as_can_be(photos: Photos) -> None:
    rows = np.concatenate([np.repeat(photos.rows[:1], 30, axis=0), photos.rows[1:20]])
    typical = typicality(rows, np.zeros(len(rows), bool))
    np.testing.assert_allclose(typical[:30], 1, atol=1e-6)
    assert (typical[30:] < 0.9).all()


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_typicality_of_a_few_photos(photos: Photos, count: int) -> None:
    typical = typicality(photos.rows[:count], np.zeros(count, bool))
    assert np.isfinite(typical).all()
    assert typicality(photos.rows[:count], np.ones(count, bool)).shape == (count,)


def test_odd_photos_are_those_of_another_kind_and_never_of_the_audit(photos: Photos) -> None:
    rows = photos.rows.copy()
    strangers = [7, 70, 170]
    rows[strangers] = np.random.default_rng(3).normal(size=(3, 160)) * 9
    audit = photos.audit.copy()
    audit[strangers] = [False, False, True]
    odd = odd_photos(rows, audit, count=10)
    assert set(odd[:2]) == {7, 70}
    assert not audit[odd].any()
    assert len(odd_photos(rows, audit, count=1_000)) == (~audit).sum()


def test_a_review_begins_with_the_photos_that_do_not_belong(photos: Photos) -> None:
    group = np.concatenate([np.flatnonzero(photos.truth == 0)[:20], np.flatnonzero(photos.truth == 3)[:2]])
    order = review_order(photos.rows, group)
    vectors = photos.rows[group].astype(float)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    others = [np.delete(vectors, i, 0).mean(0) for i in range(22)]
    fit = {photo: vectors[i] @ others[i] / np.linalg.norm(others[i]) for i, photo in enumerate(group)}
    assert order.tolist() == sorted(group, key=fit.__getitem__)
    assert set(group[20:]) <= set(order[:6])
    assert sorted(order) == sorted(group)
    assert review_order(photos.rows, np.array([5])).tolist() == [5]
    assert review_order(photos.rows, np.array([], int)).tolist() == []


def test_wrong_labels_come_first(photos: Photos) -> None:
    labels = photos.labels(200)
    known = np.flatnonzero(labels >= 0)
    swapped = known[::20]
    labels[swapped] = (labels[swapped] + 1) % 5
    doubts = doubtful_labels(photos.rows, labels, photos.audit)
    assert len(set(doubts.photos[:20]) & set(swapped)) >= 8
    assert (np.diff(doubts.probability) >= 0).all()
    assert doubtful_labels(photos.rows, np.full(300, UNLABELLED), photos.audit).photos.tolist() == []
