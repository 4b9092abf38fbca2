"""console.feedback.estimates: against scipy, textbook formulas by hand, and draws with a known truth."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from console.feedback.estimates import (
    MIN_GROUPS,
    MIN_ROWS,
    Estimate,
    combined,
    groups,
    pinball,
    ratio,
    share,
    student,
)
from runtime.shares import wilson

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("degrees", [4, 5, 9, 27, 1000])
def test_students_quantile_is_scipys(degrees: int) -> None:
    assert student(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=5e-4)


def test_a_share_of_independent_answers_has_wilsons_interval() -> None:
    hits = np.arange(200) < 186
    found = share(hits)
    expected = stats.binomtest(186, 200).proportion_ci(method="wilson")
    assert (found.rows, found.point) == (200, 0.93)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=2e-3)  # n - 1 in the variance


def test_a_weighted_share_is_that_of_horvitz_thompson_and_hajek() -> None:
    hits, weights = np.array([True] * 30 + [False] * 10), np.array([1.0] * 20 + [50.0] * 20)
    found = share(hits, weights)
    assert found.point == pytest.approx((20 + 50 * 10) / (20 + 50 * 20))


def test_large_weights_widen_the_interval_as_kish_says() -> None:
    hits = np.ones(120, bool)
    weights = np.array([1.0] * 100 + [50.0] * 20)
    kish = weights.sum() ** 2 / np.square(weights).sum()
    found = share(hits, weights)
    assert found.low is not None
    assert found.low == pytest.approx(wilson(kish, kish)[0])


def test_one_stratum_alone_has_wilsons_interval() -> None:
    found = combined([(np.arange(100) < 95, np.full(100, 20.0)), (np.zeros(0, bool), np.zeros(0))])
    expected = stats.binomtest(95, 100).proportion_ci(method="wilson")
    assert (found.point, found.low, found.high) == pytest.approx((0.95, expected.low, expected.high))


def test_strata_are_weighted_by_their_sizes() -> None:
    checked, doubted = np.arange(40) < 38, np.arange(200) < 100
    found = combined([(checked, np.full(40, 50.0)), (doubted, np.ones(200))])
    assert found.point == pytest.approx((38 * 50 + 100) / (40 * 50 + 200))
    assert found.rows == 240


def test_intervals_of_strata_hold_the_truth_as_often_as_they_say() -> None:
    truth, held = 0.2 * 0.6 + 0.8 * 0.96, 0
    for _ in range(1000):
        n_doubted, n_checked = RNG.binomial(4000, 0.2 * 0.5), RNG.binomial(4000, 0.8 * 0.05)
        found = combined(
            [
                (RNG.random(n_checked) < 0.96, np.full(n_checked, 0.5 / 0.05)),
                (RNG.random(n_doubted) < 0.6, np.ones(n_doubted)),
            ]
        )
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 1000 <= 0.99


def test_a_ratio_has_the_variance_of_the_delta_method() -> None:
    """An independent calculation: the covariance matrix of the means (Cochran 1977, 6.3)."""
    below = RNG.lognormal(8, 0.4, 400)
    above = below * np.abs(RNG.normal(0, 0.1, 400))
    found = ratio(above, below)
    mean, covariance = np.array([above.mean(), below.mean()]), np.cov(above, below) / 400
    gradient = np.array([1 / mean[0], -1 / mean[1]])  # of the logarithm of the ratio
    width = np.exp(stats.norm.ppf(0.975) * np.sqrt(gradient @ covariance @ gradient))
    point = above.sum() / below.sum()
    assert (found.point, found.low, found.high) == pytest.approx((point, point / width, point * width))


def test_one_way_clusters_have_the_variance_of_their_sums() -> None:
    """The same estimate from the sums of the days, as if each day were one answer."""
    day = np.repeat(np.arange(40), 10)
    below = RNG.lognormal(8, 0.2, 400)
    above = below * np.repeat(RNG.uniform(0.05, 0.2, 40), 10)
    found = ratio(above, below, [day])
    sums = ratio(np.bincount(day, above), np.bincount(day, below))
    assert found.low is not None
    assert found.point is not None
    assert sums.low is not None
    log_width = np.log(found.point / found.low) / student(39)
    assert log_width == pytest.approx(np.log(found.point / sums.low) / student(np.inf))


def test_two_way_clusters_add_the_variances_and_subtract_that_of_both() -> None:
    day, store = np.repeat(np.arange(20), 15), np.tile(np.arange(15), 20)
    below = np.full(300, 1.0)
    above = 0.1 + RNG.normal(0, 0.01, 20)[day] + RNG.normal(0, 0.01, 15)[store] + RNG.normal(0, 0.01, 300)
    found = ratio(above, below, [day, store])
    residual = (above - above.mean()) / 300

    def variance(number: NDArray[np.int64]) -> float:
        sums = np.array([residual[number == value].sum() for value in np.unique(number)])
        return float((sums**2).sum() * len(sums) / (len(sums) - 1))

    expected = variance(day) + variance(store) - variance(np.arange(300))
    assert found.point is not None
    assert found.high is not None
    width = np.log(found.high / found.point) / student(14)
    assert width == pytest.approx(np.sqrt(expected) / above.mean())


def test_the_pinball_loss_of_the_median_is_the_absolute_error() -> None:
    truth, quantiles = np.array([10.0, 4.0]), np.array([[7.0], [5.0]])
    assert pinball(truth, quantiles, [0.5]) == pytest.approx([3, 1])


def test_the_pinball_loss_is_least_at_the_true_quantile() -> None:
    truth = RNG.exponential(size=200_000)
    values = np.linspace(0.1, 4, 40)
    losses = [pinball(truth, np.full((len(truth), 1), value), [0.9]).mean() for value in values]
    assert values[int(np.argmin(losses))] == pytest.approx(stats.expon.ppf(0.9), abs=0.1)


def test_few_answers_have_a_point_and_no_bounds() -> None:
    few = np.ones(MIN_ROWS - 1, bool)
    assert share(few) == Estimate(MIN_ROWS - 1, 1.0)
    assert share(np.zeros(0, bool)) == Estimate(0)
    assert ratio(few.astype(float), few.astype(float), less=1) == Estimate(MIN_ROWS - 1, 0.0)
    assert ratio(np.zeros(0), np.zeros(0)) == Estimate(0)
    assert ratio(np.ones(50), np.zeros(50)) == Estimate(50)


def test_answers_of_few_days_have_no_bounds_however_many_they_are() -> None:
    hits = RNG.random(10_000) < 0.9
    day = np.arange(10_000) % (MIN_GROUPS - 1)
    found = share(hits, groupings=[day])
    assert (found.low, found.high) == (None, None)


def test_the_answers_of_a_single_store_have_bounds() -> None:
    hits = np.arange(100) % 10 > 0
    found = share(hits, groupings=[np.arange(100) // 4, np.zeros(100, np.int64)])
    assert found.low is not None


def test_groups_number_values_in_the_order_of_their_appearance() -> None:
    assert groups(["b", "a", "b"]).tolist() == [0, 1, 0]


@pytest.mark.parametrize("spread", [0.0, 0.05])
def test_intervals_hold_the_truth_as_often_as_they_say_with_shared_shocks(spread: float) -> None:
    """200 draws of 25 days and 20 stores whose errors share a shock of the day; the truth is that of all draws."""
    held, truth = 0, 0.1 + spread / 2
    for _ in range(200):
        day, store = np.repeat(np.arange(25), 20), np.tile(np.arange(20), 25)
        below = RNG.lognormal(8, 0.3, 500)
        error = RNG.uniform(0.05, 0.15, 500) + RNG.uniform(0, spread, 25)[day]
        found = ratio(below * error, below, [day, store])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 0.90 <= held / 200 <= 1.0  # benchmarks/console/coverage.py has the shares
