import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from labelling.learning.similar import DISLIKE, find_similar
from tests.labelling.learning.photos import Photos


@pytest.mark.parametrize(
    ("positives", "negatives"), [([4], []), ([4, 5], [9]), ([1, 2, 3, 4, 5], [9, 10, 11]), ([7], [8])]
)
def test_search_equals_brute_force(photos: Photos, positives: list[int], negatives: list[int]) -> None:
    cosines = cosine_similarity(photos.rows.astype(float))
    audit = photos.audit.copy()
    audit[:20] = False
    expected = {}
    for photo in range(300):
        if audit[photo] or photo in positives + negatives:
            continue
        best = sorted((cosines[photo, other] for other in positives), reverse=True)[:2]
        worst = max((cosines[photo, other] for other in negatives), default=0)
        expected[photo] = sum(best) / len(best) - DISLIKE * worst
    order = sorted(expected, key=lambda photo: -expected[photo])
    found = find_similar(photos.rows, positives, negatives, audit=audit, count=40)
    np.testing.assert_allclose(found.scores, [expected[photo] for photo in order[:40]], atol=1e-5)
    assert found.photos.tolist() == order[:40]
    everything = find_similar(photos.rows, positives, negatives, audit=audit, count=1000)
    assert everything.photos.tolist() == order


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
    rows[9] = np.inf
    with pytest.raises(ValueError, match="photo 9 has a value that is not finite"):
        find_similar(rows, [0], audit=photos.audit)
