"""Figures of the detection of unknown photos."""

import numpy as np
import pytest

from training.pets.novelty import Novelty, known_threshold, separation


def test_the_area_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(3, 12, 40), rng.integers(0, 9, 25)  # with ties
    pairs = [(high > low) + 0.5 * (high == low) for high in known for low in unknown]
    result = separation(known, unknown)
    assert result.auroc == pytest.approx(np.mean(pairs))
    assert (result.known, result.unknown) == (40, 25)


def test_the_interval_covers_the_area_of_most_samples() -> None:
    """The area of normal scores one standard deviation apart is known: 0.7602."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        low, high = separation(rng.normal(1, 1, 60), rng.normal(0, 1, 40)).interval
        covered += low <= 0.7602 <= high
    assert 0.91 <= covered / 400 <= 0.99


def test_separate_scores_have_an_area_of_one_and_are_all_flagged() -> None:
    result = separation([5, 6, 7], [1, 2])
    assert (result.auroc, result.flagged) == (1.0, 1.0)
    assert result.interval.high == 1.0


@pytest.mark.parametrize("share", [0.0, 0.03, 0.05, 0.5])
def test_the_threshold_flags_the_wanted_share(share: float) -> None:
    scores = np.random.default_rng(2).normal(size=1000)
    assert np.mean(scores < known_threshold(scores, share)) == pytest.approx(share, abs=1e-9)


def test_photos_below_a_given_score_are_noticed() -> None:
    result = separation([5.0, 6.0], [1.0, 2.0, 5.5], threshold=1.5)
    assert result.noticed == pytest.approx(1 / 3)
    assert Novelty.mean([result, separation([5.0], [1.0], threshold=1.5)]).noticed == pytest.approx(2 / 3)
    assert separation([5.0], [1.0]).noticed is None


def test_few_photos_flag_none_of_them() -> None:
    assert known_threshold([2.0, 1.0, 3.0], 0.05) == 1.0


def test_repetitions_are_averaged() -> None:
    one, other = separation([2, 3], [1, 2.5]), separation([2, 3], [0, 1])
    mean = Novelty.mean([one, other])
    assert mean.auroc == pytest.approx((one.auroc + other.auroc) / 2)
    assert mean.interval == (one.auroc, other.auroc)


def test_an_area_without_photos_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs known and unknown"):
        separation([1.0], [])
