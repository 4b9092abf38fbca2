import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from labelling.learning import similar
from labelling.learning.similar import DISLIKE, find_similar
from tests.labelling.learning.photos import Photos


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [
        ([4], []),
        ([4, 5], [9]),
        ([1, 2, 3, 4, 5], [9, 10, 11]),
        ([7], [8]),
        (list(range(50)), []),
        (list(range(40)), list(range(40, 50))),
        ([0], list(range(1, 50))),
    ],
)
@pytest.mark.parametrize("components", [8, 64, 65, 256])
def test_search_equals_brute_force(photos: Photos, positives: list[int], negatives: list[int], components: int) -> None:
    rng = np.random.default_rng(components)
    spread = rng.normal(size=(photos.rows.shape[1], components)) * np.geomspace(1, 0.01, components)
    rows = (photos.rows @ spread + rng.normal(0, 0.05, (300, components))).astype(np.float32)
    rows[60] = 0
    cosines = cosine_similarity(rows.astype(float))
    audit = photos.audit.copy()
    audit[:50] = False
    expected = {}
    for photo in range(300):
        if audit[photo] or photo in positives + negatives:
            continue
        best = sorted((cosines[photo, other] for other in positives), reverse=True)[:2]
        worst = max((cosines[photo, other] for other in negatives), default=0)
        expected[photo] = sum(best) / len(best) - DISLIKE * worst
    order = sorted(expected, key=lambda photo: -expected[photo])
    found = find_similar(rows, positives, negatives, audit=audit, count=20)  # few, so that bounds leave photos out
    np.testing.assert_allclose(found.scores, [expected[photo] for photo in order[:20]], atol=1e-5)
    np.testing.assert_allclose([expected[photo] for photo in found.photos], found.scores, atol=1e-5)
    everything = find_similar(rows, positives, negatives, audit=audit, count=1000)
    np.testing.assert_allclose(everything.scores, [expected[photo] for photo in order], atol=1e-5)
    assert sorted(everything.photos) == sorted(order)


def test_photos_of_the_audit_the_chosen_and_those_left_out_are_not_found(photos: Photos) -> None:
    leave_out = np.arange(300) % 3 == 0
    found = find_similar(photos.rows, [2, 5], [8], audit=photos.audit, leave_out=leave_out, count=300)
    expected = ~photos.audit & ~leave_out
    expected[[2, 5, 8]] = False
    assert sorted(found.photos) == np.flatnonzero(expected).tolist()


def test_near_duplicates_of_the_positives_are_marked(photos: Photos) -> None:
    groups = np.arange(300)
    groups[[11, 12]] = 10
    found = find_similar(photos.rows, [10], audit=np.zeros(300, bool), groups=groups, count=300)
    assert sorted(found.photos[found.near_duplicate]) == [11, 12]


def test_the_same_photo_many_times_comes_in_the_order_of_the_rows(photos: Photos) -> None:
    rows = np.repeat(photos.rows[:1], 40, axis=0)
    found = find_similar(rows, [3], audit=np.zeros(40, bool), count=5)
    assert found.photos.tolist() == [0, 1, 2, 4, 5]
    np.testing.assert_allclose(found.scores, 1, atol=1e-6)


def test_search_without_other_photos_finds_nothing(photos: Photos) -> None:
    found = find_similar(photos.rows[:1], [0], audit=np.zeros(1, bool))
    assert len(found.photos) == len(found.scores) == 0


def test_search_without_positives_or_with_a_broken_row_is_refused(photos: Photos) -> None:
    with pytest.raises(ValueError, match="choose one photo at least"):
        find_similar(photos.rows, [], [3], audit=photos.audit)
    rows = photos.rows.copy()
    rows[99] = np.inf
    for positives in ([0], range(40)):
        with pytest.raises(ValueError, match="photo 99 has a value that is not finite"):
            find_similar(rows, positives, audit=photos.audit, count=20)


def test_bounds_leave_most_photos_out_and_never_a_similar_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Photos along principal components: the first ones say most."""
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(4000, 256)) * np.geomspace(1, 0.01, 256)).astype(np.float32)
    audit = np.zeros(4000, np.bool_)
    compared = 0
    highest = similar._mean_of_two_highest

    def count(products: np.ndarray) -> np.ndarray:
        nonlocal compared
        compared += products.shape[1]
        return highest(products)

    monkeypatch.setattr(similar, "_mean_of_two_highest", count)
    found = find_similar(rows, range(100), [100], audit=audit, count=20)
    assert len(rows) < compared < 1.2 * len(rows)  # a head of each photo, and all components of few photos
    monkeypatch.setattr(similar, "_MANY", 1000)
    expected = find_similar(rows, range(100), [100], audit=audit, count=20)
    assert found.photos.tolist() == expected.photos.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)
