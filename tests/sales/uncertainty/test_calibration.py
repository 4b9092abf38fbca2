"""sales.uncertainty.calibration against slow loops, and the coverage of its intervals on fresh draws."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm, t

from sales.uncertainty import calibration as calibrations
from sales.uncertainty.calibration import STUDENT, Calibration
from sales.uncertainty.coverage import coverage, leave_one_out, probabilities_of
from sales.uncertainty.quantiles import GRID
from sales.uncertainty.residuals import Residuals, ResidualsError
from sales.uncertainty.scale import CLIP, ERROR
from tests.sales.uncertainty.simulated import simulated

ENDS = probabilities_of([80, 90])


def noise_of(stores: int) -> np.ndarray:
    """Return the noise of stores; the last has twenty times that of the first."""
    return np.geomspace(0.02, 0.4, stores)


def test_factors_of_one_window_are_the_optima_without_its_shift() -> None:
    residuals = simulated(np.random.default_rng(0), noise_of(20), windows=1)
    median = residuals.median[residuals.known].astype(np.float64)
    log = np.log(residuals.sales[residuals.known].astype(np.float64) / median)
    sales = median * np.exp(log - log.mean())

    factors = Calibration.fit(residuals).factors

    assert factors["median"] == 1
    assert (factors["mean"] * median).sum() == pytest.approx(sales.sum())
    best = minimize_scalar(lambda factor: np.sqrt((((sales - factor * median) / sales) ** 2).mean()))
    assert factors["rmspe"] == pytest.approx(best.x, rel=1e-5)


def test_one_absurd_sale_does_not_move_the_factors() -> None:
    """Squared, a sale of a hundredth of its forecast weighs as much as 10,000 others."""
    residuals = simulated(np.random.default_rng(0), noise_of(20), windows=2)
    without = Calibration.fit(residuals).factors
    residuals.sales[0, 3, 5] = residuals.median[0, 3, 5] / 100

    factors = Calibration.fit(Residuals(residuals.cutoffs, residuals.sales, residuals.median)).factors

    for name in ("mean", "rmspe"):
        assert factors[name] == pytest.approx(without[name], rel=0.02)


@pytest.mark.parametrize(
    ("shifts", "believed"), [((0.05, 0.05, 0.05), 0.05), ((0.06, -0.06), 0.0), ((0.04, 0.06), 0.048)]
)
def test_factors_follow_a_shift_as_far_as_the_windows_agree_on_it(shifts: tuple[float, ...], believed: float) -> None:
    """The variance of the mean of 0.04 and 0.06 is 0.0002 / 2, which is 4 percent of its square."""
    one = simulated(np.random.default_rng(0), noise_of(20), windows=1)
    log = one.log_ratio - one.log_ratio[one.known].mean()
    sales = np.concatenate([one.median * np.exp(log + shift) for shift in shifts]).astype(np.float32)
    median = np.concatenate([one.median] * len(shifts))
    shifted = Residuals(np.arange(len(shifts)) * 49, sales, median)

    without, factors = (Calibration.fit(residuals).factors for residuals in (one, shifted))

    for name in ("mean", "rmspe"):
        assert np.log(factors[name] / without[name]) == pytest.approx(believed, abs=1e-5)


def test_scales_of_stores_are_shrunk_clipped_means() -> None:
    residuals = simulated(np.random.default_rng(0), noise_of(4), windows=3)
    residuals.sales[0, 1, 3] *= 7  # a carnival
    residuals.sales[:, 2, 20:] = np.nan

    scale = Calibration.fit(residuals).scale

    np.testing.assert_allclose(scale, slow_scale(np.abs(residuals.log_ratio)), rtol=1e-9)


def slow_scale(size: np.ndarray) -> list[float]:
    """Return the scale of each store from absolute residuals ``[window, store, day ahead]``, with loops."""
    logs, counts = [], []
    for store in range(size.shape[1]):
        known = [value for value in size[:, store].ravel().tolist() if not math.isnan(value)]
        clipped = [min(value, CLIP * float(np.median(known))) for value in known]
        logs.append(math.log(sum(clipped) / len(clipped)))
        counts.append(len(known))
    center = sum(n * log for n, log in zip(counts, logs, strict=True)) / sum(counts)
    variance = sum(n * (log - center) ** 2 for n, log in zip(counts, logs, strict=True)) / sum(counts)
    between = max(variance - sum(ERROR / n for n in counts) / len(counts), 0)
    return [
        math.exp(center + between / (between + ERROR / n) * (log - center)) for n, log in zip(counts, logs, strict=True)
    ]


def test_scales_of_equal_stores_are_equal_and_those_of_very_different_stores_their_own() -> None:
    rng = np.random.default_rng(0)
    equal = Calibration.fit(simulated(rng, np.full(50, 0.1), windows=1)).scale
    different = Calibration.fit(simulated(rng, noise_of(50), windows=1)).scale

    assert equal.std() / equal.mean() < 0.05
    assert different[-1] / different[0] == pytest.approx(20, rel=0.4)


def test_weeks_of_one_window_are_quantiles_of_absolute_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrations, "WEEK_PRIOR", 0)
    monkeypatch.setattr(calibrations, "STUDENT", (1.0,))
    residuals = simulated(np.random.default_rng(0), np.full(30, 0.1), windows=1, horizon=14)
    calibration = Calibration.fit(residuals)

    for week in (0, 1):
        scale = slow_scale(np.abs(residuals.log_ratio[:, :, 7 * (1 - week) : 7 * (1 - week) + 7]))
        scores = [
            abs(math.log(residuals.sales[0, store, ahead] / residuals.median[0, store, ahead])) / scale[store]
            for store, ahead in itertools.product(range(30), range(7 * week, 7 * week + 6))
        ]
        upper = sorted(scores)[math.ceil(181 * 0.8) - 1]
        assert calibration.weeks[week, np.searchsorted(GRID, 0.9)] == pytest.approx(upper, rel=1e-5)


def test_correction_for_few_windows_is_that_of_student() -> None:
    for windows, ratio in enumerate(STUDENT, start=1):
        assert ratio == pytest.approx(t(windows).ppf(0.9) / norm.ppf(0.9), abs=0.007)


@pytest.mark.parametrize("windows", [1, 2, 6])
def test_intervals_cover_fresh_draws_in_each_week_and_group_of_stores(windows: int) -> None:
    rng, noise = np.random.default_rng(windows), noise_of(100)
    calibration = Calibration.fit(simulated(rng, noise, windows=windows))
    fresh = simulated(rng, noise, windows=40)

    assert np.abs(coverage(calibration, fresh).days.mean(axis=0) - [0.8, 0.9]).max() < 0.02
    for week in range(6):
        sales = np.where(np.arange(42) // 7 == week, fresh.sales, np.nan)
        part = Residuals(fresh.cutoffs, sales.astype(np.float32), fresh.median)
        assert np.abs(coverage(calibration, part).days.mean(axis=0) - [0.8, 0.9]).max() < 0.04
    for group in (slice(0, 25), slice(75, 100)):  # the quietest and the loudest
        sales = np.full_like(fresh.sales, np.nan)
        sales[:, group] = fresh.sales[:, group]
        part = Residuals(fresh.cutoffs, sales, fresh.median)
        assert np.abs(coverage(calibration, part).days.mean(axis=0) - [0.8, 0.9]).max() < 0.04


@pytest.mark.parametrize(("windows", "shift"), [(1, 0.3), (2, 0.3), (4, 0.5), (6, 0.5)])
def test_intervals_of_days_and_totals_hold_if_the_days_of_a_window_share_errors(windows: int, shift: float) -> None:
    days, totals, left_out = [], [], []
    for seed in range(30):
        rng, noise = np.random.default_rng(seed), np.geomspace(0.05, 0.25, 30)
        residuals = simulated(rng, noise, windows=windows, shift=shift)
        covered = coverage(Calibration.fit(residuals), simulated(rng, noise, windows=10, shift=shift))
        days.append(covered.days.mean(axis=0))
        totals.append(covered.totals.mean(axis=0))
        if (judged := leave_one_out(residuals)) is not None:
            left_out.append(judged.days.mean(axis=0))

    assert np.mean(days, axis=0) == pytest.approx([0.8, 0.9], abs=0.045 if windows < 4 else 0.02)
    assert np.mean(totals, axis=0) == pytest.approx([0.8, 0.9], abs=0.07)
    if windows >= 4:
        assert np.mean(left_out, axis=0) == pytest.approx(np.mean(days, axis=0), abs=0.02)


def test_totals_of_independent_days_are_relatively_surer_than_days() -> None:
    calibration = Calibration.fit(simulated(np.random.default_rng(0), np.full(50, 0.1), windows=4))

    day = calibration.multipliers(np.array([0]), np.array([0]), ENDS)[0]
    total = calibration.total_multipliers(0, 42, 41, ENDS)

    assert np.log(total[1] / total[0]) < 0.4 * np.log(day[1] / day[0])


def test_lengths_of_totals_are_their_mean_numbers_of_open_days() -> None:
    residuals = simulated(np.random.default_rng(0), np.full(5, 0.1), windows=2)

    calibration = Calibration.fit(residuals)

    assert calibration.lengths.tolist() == [1, 2, 3, 4, 5, 6, 6, 12, 18, 24, 30, 36]  # each seventh day is closed


def test_multipliers_never_cross_and_are_positive() -> None:
    residuals = simulated(np.random.default_rng(0), noise_of(5), windows=3)
    calibration = Calibration.fit(residuals)
    probabilities = np.linspace(0.01, 0.99, 500)
    store, ahead = np.indices((5, 60)).reshape(2, -1)

    days = calibration.multipliers(store, ahead, probabilities)
    totals = np.array([calibration.total_multipliers(1, n, n - 1, probabilities) for n in range(1, 60)])

    for multipliers in (days, totals):
        assert (multipliers > 0).all()
        assert (np.diff(multipliers, axis=1) >= 0).all()


def test_intervals_widen_beyond_the_horizon_and_hold_before_it() -> None:
    calibration = Calibration.fit(simulated(np.random.default_rng(0), noise_of(5), windows=3))

    multipliers = calibration.multipliers(np.zeros(5, np.int64), np.array([-3, 0, 41, 42, 167]), ENDS)

    np.testing.assert_array_equal(multipliers[0], multipliers[1])
    assert multipliers[3, 1] > multipliers[2, 1]
    np.testing.assert_allclose(np.log(multipliers[4]), 2 * np.log(multipliers[2]))
    near, far = (np.log(calibration.total_multipliers(0, 7, last, ENDS)) for last in (41, 167))
    np.testing.assert_allclose(far, 2 * near)


def test_a_store_without_residuals_has_wider_intervals() -> None:
    residuals = simulated(np.random.default_rng(0), np.full(10, 0.1), windows=3)
    calibration = Calibration.fit(residuals.for_stores(np.array([*range(10), -1])))

    assert calibration.new_store.tolist() == [False] * 10 + [True]
    assert calibration.scale[10] == pytest.approx(2 * calibration.scale[:10].mean(), rel=0.02)
    new, old = (np.log(calibration.total_multipliers(store, 42, 41, ENDS)) for store in (10, 0))
    assert (np.abs(new) > 4 * np.abs(old)).all()  # its level may be wrong, which does not average out


def test_five_stores_and_a_short_window_are_enough() -> None:
    residuals = simulated(np.random.default_rng(0), np.full(5, 0.1), windows=1, horizon=42)
    residuals.sales[:, :, 20:] = np.nan

    calibration = Calibration.fit(residuals)

    ends = calibration.multipliers(np.zeros(42, np.int64), np.arange(42), ENDS)
    assert np.isfinite(ends).all()
    assert ((ends[:, 0] < 0.95) & (ends[:, 0] > 0.8)).all()
    assert np.isfinite(calibration.totals).all()


def test_a_single_known_day_gives_finite_intervals() -> None:
    sales = np.full((1, 3, 42), np.nan, np.float32)
    sales[0, 1, 5] = 110

    calibration = Calibration.fit(Residuals(np.array([0]), sales, np.full_like(sales, 100)))

    assert np.isfinite(calibration.multipliers(np.arange(3), np.arange(3), ENDS)).all()
    assert np.isfinite(calibration.total_multipliers(0, 42, 41, ENDS)).all()


def test_constant_sales_have_intervals_without_width() -> None:
    sales = np.full((2, 4, 14), 100, np.float32)

    calibration = Calibration.fit(Residuals(np.array([0, 90]), sales, sales))

    np.testing.assert_allclose(calibration.multipliers(np.arange(4), np.arange(4), ENDS), 1, atol=1e-6)
    assert calibration.factors == {"median": 1, "mean": 1, "rmspe": 1}


def test_residuals_without_a_known_day_are_rejected() -> None:
    nothing = np.full((1, 2, 7), np.nan, np.float32)

    with pytest.raises(ResidualsError, match="no day with both"):
        Calibration.fit(Residuals(np.array([0]), nothing, nothing))


def test_a_calibration_does_not_depend_on_the_unit_of_sales() -> None:
    residuals = simulated(np.random.default_rng(0), noise_of(5), windows=2)
    scaled = Residuals(residuals.cutoffs, residuals.sales * np.float32(1e-4), residuals.median * np.float32(1e-4))

    one, other = Calibration.fit(residuals), Calibration.fit(scaled)

    np.testing.assert_allclose(one.weeks, other.weeks, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(one.scale, other.scale, rtol=1e-3)


def test_arrays_and_of_are_inverse() -> None:
    calibration = Calibration.fit(simulated(np.random.default_rng(0), noise_of(5), windows=2))

    again = Calibration.of(calibration.arrays())

    assert again.factors == calibration.factors
    assert again.horizon == calibration.horizon
    for name, array in calibration.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    with pytest.raises(ResidualsError, match="probabilities"):
        Calibration.of({**calibration.arrays(), "weeks": calibration.weeks[:, 1:]})


def test_one_window_cannot_be_left_out() -> None:
    assert leave_one_out(simulated(np.random.default_rng(0), noise_of(5), windows=1)) is None
