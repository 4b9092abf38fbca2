"""sales.uncertainty.residuals: windows of sales and forecasts."""

import numpy as np
import pytest

from sales.uncertainty.residuals import Residuals, ResidualsError
from tests.sales.uncertainty.simulated import simulated

NOISE = np.array([0.05, 0.1, 0.2])


@pytest.fixture
def residuals() -> Residuals:
    return simulated(np.random.default_rng(0), NOISE, windows=2, horizon=14)


def test_arrays_and_of_are_inverse(residuals: Residuals) -> None:
    again = Residuals.of(residuals.arrays())

    for name, array in residuals.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_rows_become_one_window_and_late_rows_are_left_out() -> None:
    residuals = Residuals.of_rows(
        cutoff=16_000,
        shape=(2, 3),
        store=np.array([0, 1, 1]),
        ahead=np.array([2, 0, 3]),
        sales=np.array([5.0, 6.0, 7.0]),
        median=np.array([4.0, 6.5, 8.0]),
    )

    assert residuals.cutoffs.tolist() == [16_000]
    np.testing.assert_array_equal(residuals.sales[0], [[np.nan, np.nan, 5], [6, np.nan, np.nan]])
    np.testing.assert_array_equal(residuals.median[0], [[np.nan, np.nan, 4], [6.5, np.nan, np.nan]])


def test_only_days_with_sales_and_forecast_are_known() -> None:
    sales = np.array([[[1, 0, np.nan, 2, 3, np.inf]]], np.float32)
    median = np.array([[[2, 2, 2, np.nan, 0, 2]]], np.float32)

    residuals = Residuals(np.array([0]), sales, median)

    assert residuals.known.tolist() == [[[True, False, False, False, False, False]]]
    np.testing.assert_allclose(residuals.log_ratio[0, 0, 0], -np.log(2))
    assert np.isnan(residuals.log_ratio[0, 0, 1:]).all()


def test_a_new_store_has_no_residuals(residuals: Residuals) -> None:
    wider = residuals.for_stores(np.array([2, -1, 0, 1]))

    np.testing.assert_array_equal(wider.sales[:, [2, 3, 0]], residuals.sales)
    assert not wider.known[:, 1].any()


def test_appended_windows_fill_a_shorter_horizon(residuals: Residuals) -> None:
    later = simulated(np.random.default_rng(1), NOISE, windows=1, horizon=7)

    joined = residuals.append(later)

    assert (joined.windows, joined.horizon) == (3, 14)
    assert not joined.known[2, :, 7:].any()
    np.testing.assert_array_equal(joined.window(np.array([2])).sales[0, :, :7], later.sales[0])


def test_other_shapes_are_rejected(residuals: Residuals) -> None:
    with pytest.raises(ResidualsError, match=r"\[window, store, day ahead\]"):
        Residuals(residuals.cutoffs[:1], residuals.sales, residuals.median)
    with pytest.raises(ResidualsError, match="of 3 and of 2 stores"):
        residuals.append(residuals.for_stores(np.array([0, 1])))
