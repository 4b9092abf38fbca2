from hashlib import sha256

import numpy as np
import pytest
from scipy import stats

from labelling.learning.arrays import CANT_TELL, UNLABELLED
from labelling.learning.audit import audit_size, draw_audit, estimate


def hashes(count: int, start: int = 0) -> list[str]:
    return [sha256(str(number).encode()).hexdigest() for number in range(start, start + count)]


def test_the_audit_asks_about_the_first_photos_by_the_hash_of_seed_and_photo() -> None:
    photos = hashes(564)
    audit = draw_audit(photos, "project 7")
    order = sorted(range(564), key=lambda photo: sha256(f"project 7{photos[photo]}".encode()).hexdigest())
    assert audit.asked.tolist() == order[:56]
    assert np.flatnonzero(audit.held).tolist() == sorted(order[:56])


def test_another_seed_draws_other_photos_and_the_same_seed_the_same() -> None:
    photos = hashes(600)
    first, again, other = (set(draw_audit(photos, seed).asked) for seed in ("a", "a", "b"))
    assert first == again
    assert len(first & other) < 20


@pytest.mark.parametrize(("before", "after"), [(300, 301), (564, 900), (1_000, 5_000), (20, 564)])
def test_the_order_stays_when_photos_are_added(before: int, after: int) -> None:
    photos = hashes(after)
    old, new = (draw_audit(photos[:count], "s", size=count).asked for count in (before, after))
    assert [photo for photo in new.tolist() if photo < before] == old.tolist()


def test_a_grown_folder_has_a_uniform_sample_of_old_and_new_photos() -> None:
    """1,000 photos become 3,000: each old and each new one is drawn with the same probability."""
    photos = hashes(3_000)
    drawn = np.zeros(3_000)
    for seed in range(400):
        drawn[draw_audit(photos, f"seed {seed}").asked] += 1
    assert drawn.sum() == 400 * 200
    old, new = drawn[:1_000].sum(), drawn[1_000:].sum()
    assert stats.chisquare([old, new], [400 * 200 / 3, 400 * 400 / 3]).pvalue > 0.001
    assert stats.chisquare(drawn).pvalue > 0.001


def test_the_size_is_a_tenth_within_bounds_and_never_more_than_half() -> None:
    assert [audit_size(photos) for photos in (0, 1, 2, 99, 500, 1_234, 10_000)] == [0, 0, 1, 49, 50, 123, 200]


def test_near_duplicates_are_held_back_together_and_one_is_asked_about() -> None:
    photos = hashes(400)
    groups = np.arange(400)
    groups[100:160] = groups[40:100]  # sixty pairs
    groups[300:310] = 300  # one group of ten
    for seed in range(30):
        audit = draw_audit(photos, str(seed), groups=groups)
        assert len(audit.asked) == len(set(groups[audit.asked])) == 50
        for number in np.unique(groups):
            assert audit.held[groups == number].all() or not audit.held[groups == number].any()


def test_a_large_group_is_no_more_likely_to_be_drawn_than_one_photo() -> None:
    photos, groups = hashes(200), np.arange(200)
    groups[:50] = 0
    drawn = sum(bool(draw_audit(photos, str(seed), groups=groups).held[0]) for seed in range(600))
    assert stats.binomtest(drawn, 600, 50 / 151).pvalue > 0.001


def test_fresh_photos_are_the_next_in_the_order_and_free_the_old_ones() -> None:
    photos = hashes(1_000)
    old = draw_audit(photos, "s")
    asked = {photos[photo] for photo in old.asked}
    fresh = draw_audit(photos, "s", size=50, retired=asked)
    everything = draw_audit(photos, "s", size=1_000).asked
    assert fresh.asked.tolist() == everything[100:150].tolist()
    assert not fresh.held[old.asked].any()


def test_fresh_photos_are_no_near_duplicates_of_those_asked_about() -> None:
    photos, groups = hashes(300), np.arange(300) // 3
    old = draw_audit(photos, "s", groups=groups)
    fresh = draw_audit(photos, "s", groups=groups, size=50, retired=[photos[photo] for photo in old.asked])
    assert not set(groups[fresh.asked]) & set(groups[old.asked])
    assert len(fresh.asked) == 50


def test_no_photo_and_a_photo_given_twice() -> None:
    assert len(draw_audit([], "s").asked) == 0
    with pytest.raises(ValueError, match="two photos have the same hash"):
        draw_audit(["aa", "bb", "aa"], "s")


def test_the_estimate_is_the_share_of_right_predictions_with_wilsons_interval() -> None:
    answers = np.array([0] * 30 + [1] * 12 + [2] * 5 + [CANT_TELL] * 3 + [UNLABELLED] * 6)
    predicted = answers.copy()
    predicted[[0, 1, 31]] = 2
    predicted[47:] = 0
    found = estimate(answers, predicted, looks=4)
    assert (found.right, found.answers, found.cant_tell, found.open, found.looks) == (44, 47, 3, 6, 4)
    assert found.share == 44 / 47
    assert found.interval == pytest.approx(stats.binomtest(44, 47).proportion_ci(method="wilson"))
    of_one = found.by_label[1]
    assert (of_one.right, of_one.answers, of_one.share) == (11, 12, 11 / 12)
    assert of_one.interval == pytest.approx(stats.binomtest(11, 12).proportion_ci(method="wilson"))
    assert (found.by_label[2].answers, found.by_label[2].share) == (5, None)
    assert set(found.by_label) == {0, 1, 2}


@pytest.mark.parametrize(("answers", "known"), [(0, False), (29, False), (30, True)])
def test_below_thirty_answers_nothing_is_known(answers: int, known: bool) -> None:
    given = np.full(50, UNLABELLED)
    given[:answers] = 1
    given[40:] = CANT_TELL
    found = estimate(given, np.ones(50, int))
    assert (found.share is not None, found.interval is not None) == (known, known)
    assert found.right == found.answers == answers


def test_without_a_classifier_nothing_is_known() -> None:
    found = estimate(np.zeros(50, int), np.full(50, UNLABELLED))
    assert (found.answers, found.share, found.by_label[0].share) == (50, None, None)


def test_a_label_that_the_classifier_does_not_know_counts_as_wrong() -> None:
    answers = np.array([0] * 40 + [9] * 10)
    found = estimate(answers, np.zeros(50, int))
    assert found.share == 0.8
    assert found.by_label[9].share == 0.0
