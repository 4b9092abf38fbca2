"""sales.uncertainty.quantiles against definitions and slow loops."""

import math

import numpy as np
import pytest

from sales.uncertainty.quantiles import GRID, conformal_quantiles, interpolated, symmetric_quantiles


@pytest.mark.parametrize("n", [99, 100, 198, 1000, 4321])
def test_quantiles_are_the_ranks_of_split_conformal(n: int) -> None:
    residuals = np.random.default_rng(n).normal(size=n)
    ordered = sorted(residuals.tolist())

    quantiles = dict(zip(np.round(GRID, 3).tolist(), conformal_quantiles(residuals).tolist(), strict=True))

    for p, value in quantiles.items():
        rank = round((n + 1) * p, 9)
        if p > 0.5 and rank <= n:
            assert value == ordered[math.ceil(rank) - 1]
        elif p < 0.5 and rank >= 1:
            assert value == ordered[math.floor(rank) - 1]
        elif p == 0.5:
            assert value == pytest.approx(np.median(residuals), abs=1e-12)


def test_quantiles_of_many_residuals_are_those_of_numpy() -> None:
    residuals = np.random.default_rng(0).gamma(2, size=100_000)

    np.testing.assert_allclose(conformal_quantiles(residuals), np.quantile(residuals, GRID), rtol=1e-2)


@pytest.mark.parametrize("n", [1, 2, 3, 30])
@pytest.mark.parametrize("mean", [-3, 0, 3])
def test_quantiles_of_few_residuals_are_finite_ascending_and_wider_than_the_residuals(n: int, mean: float) -> None:
    residuals = np.random.default_rng(n).normal(mean, 1, n)

    for quantiles in (conformal_quantiles(residuals), symmetric_quantiles(residuals)):
        assert np.isfinite(quantiles).all()
        assert (np.diff(quantiles) >= 0).all()
        if n > 1:
            assert quantiles[0] <= residuals.min()
            assert quantiles[-1] >= residuals.max()


def test_a_new_residual_lies_below_a_quantile_as_often_as_promised() -> None:
    rng, places = np.random.default_rng(0), [np.searchsorted(GRID, p) for p in (0.1, 0.5, 0.9)]
    below = np.zeros((4000, 3))
    for draw in below:
        quantiles = conformal_quantiles(rng.exponential(size=29))[places]
        draw[:] = rng.exponential() < quantiles

    low, middle, high = below.mean(axis=0)
    assert low == pytest.approx(0.1, abs=0.02)
    assert middle == pytest.approx(0.5, abs=0.03)
    assert high == pytest.approx(0.9, abs=0.02)


def test_symmetric_quantiles_are_those_of_absolute_residuals() -> None:
    residuals = np.random.default_rng(0).normal(1, 2, 999)
    size = sorted(np.abs(residuals).tolist())

    quantiles = symmetric_quantiles(residuals)

    np.testing.assert_array_equal(quantiles, -quantiles[::-1])
    assert quantiles[np.searchsorted(GRID, 0.9)] == size[800 - 1]  # 80 percent of 1,000


def test_probabilities_between_those_of_the_grid_are_interpolated() -> None:
    table = np.stack([GRID**2, np.sqrt(GRID)])
    probabilities = np.array([0.01, 0.0125, 0.333, 0.5, 0.99])

    slow = [[np.interp(p, GRID, row) for p in probabilities] for row in table]

    np.testing.assert_allclose(interpolated(table, probabilities), slow, rtol=1e-12)
