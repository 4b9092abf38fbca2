import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from training.sales import metrics

SALES = st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 40_000)), min_size=1, max_size=40)


@given(SALES)
def test_the_metrics_agree_with_scikit_learn(pairs):
    actual, forecast = np.array(pairs).T
    assert metrics.mape(actual, forecast) == pytest.approx(sk.mean_absolute_percentage_error(actual, forecast))
    log_error = sk.root_mean_squared_error(np.log(actual), np.log(forecast))
    assert metrics.rmse_log(actual, forecast) == pytest.approx(log_error)
    # an error relative to the actual is a squared error of ratios, and one relative to the total a weighted one
    ones = np.ones(len(actual))
    assert metrics.rmspe(actual, forecast) == pytest.approx(sk.root_mean_squared_error(ones, forecast / actual))
    weighted = sk.mean_absolute_percentage_error(actual, forecast, sample_weight=actual)
    assert metrics.wape(actual, forecast) == pytest.approx(weighted)
    assert metrics.median_ape(actual, forecast) == pytest.approx(sk.median_absolute_error(ones, forecast / actual))


def test_rmspe_agrees_with_exp_rmspe_of_fastai():
    torch = pytest.importorskip("torch")
    exp_rmspe = pytest.importorskip("fastai.metrics").exp_rmspe
    rng = np.random.default_rng(0)
    actual, forecast = rng.uniform(7, 10, (2, 500))
    theirs = float(exp_rmspe(torch.tensor(forecast), torch.tensor(actual)))
    assert metrics.exp_rmspe(actual, forecast) == pytest.approx(theirs)


def test_rmspe_is_not_a_mean_of_batches():
    actual, forecast = np.array([100.0] * 4), np.array([100.0, 100.0, 150.0, 150.0])
    batches = np.mean([metrics.rmspe(actual[i : i + 2], forecast[i : i + 2]) for i in (0, 2)])
    assert metrics.rmspe(actual, forecast) == pytest.approx(math.sqrt(0.125))
    assert metrics.rmspe(actual, forecast) != pytest.approx(batches)


def test_rows_without_sales_count_where_they_can():
    sold, closed = ([100.0], [90.0]), ([100.0, 0.0], [90.0, 20.0])
    for metric in (metrics.rmspe, metrics.rmse_log, metrics.mape, metrics.median_ape):
        assert metric(*closed) == metric(*sold)
    assert metrics.wape(*closed) == pytest.approx(0.3)
    assert metrics.bias(*closed) == pytest.approx(0.1)


def test_float32_sums_keep_their_digits():
    actual = np.full(1_000_000, 16_777.3, np.float32)
    assert metrics.bias(actual, actual * np.float32(1.5)) == pytest.approx(0.5, abs=1e-6)


def test_no_rows_give_nan():
    for metric in metrics.METRICS.values():
        assert math.isnan(metric([], []))
        assert math.isnan(metric([0.0], [5.0]))


def test_a_forecast_of_0_for_a_day_with_sales_is_infinitely_wrong_in_log():
    assert metrics.rmse_log([10.0], [0.0]) == math.inf
    assert metrics.rmspe([10.0], [0.0]) == 1.0


@pytest.mark.parametrize(
    ("actual", "forecast", "message"),
    [
        ([1.0, math.nan], [1.0, 1.0], "actual sales are nan in row 1"),
        ([1.0, 1.0], [math.inf, 1.0], "forecast sales are inf in row 0"),
        ([1.0, -3.0], [1.0, 1.0], r"actual sales are -3.0 in row 1 \(1 such rows\)"),
        ([1.0, 1.0], [1.0], r"shape \(2,\) and forecasts \(1,\)"),
        ([[1.0]], [[1.0]], "both must be"),
    ],
)
def test_values_that_are_no_sales_are_rejected(actual, forecast, message):
    for metric in metrics.METRICS.values():
        with pytest.raises(ValueError, match=message):
            metric(actual, forecast)


def test_slices_add_up_to_the_whole():
    rng = np.random.default_rng(1)
    actual = rng.integers(0, 3, 300) * rng.integers(100, 9_000, 300)
    forecast = rng.integers(100, 9_000, 300)
    weekday = rng.integers(1, 8, 300)
    slices = metrics.by_slice(actual, forecast, weekday)
    assert list(slices) == [str(day) for day in range(1, 8)]
    assert sum(part["rows"] for part in slices.values()) == 300
    total = sum(part["wape"] * actual[weekday == int(day)].sum() for day, part in slices.items())
    assert total / actual.sum() == pytest.approx(metrics.wape(actual, forecast))


def test_each_row_needs_a_slice():
    with pytest.raises(ValueError, match="each row is in one slice"):
        metrics.by_slice([1.0, 2.0], [1.0, 2.0], ["a"])


# Intervals.


def test_the_pinball_loss_is_scikit_learns_relative_to_the_sales():
    rng = np.random.default_rng(0)
    sales = rng.uniform(1, 100, 200)
    quantiles = np.sort(rng.uniform(1, 100, (200, len(metrics.PROBABILITIES))), axis=1)
    losses = [
        sk.mean_pinball_loss(sales, quantiles[:, place], alpha=probability)
        for place, probability in enumerate(metrics.PROBABILITIES)
    ]
    assert metrics.pinball(sales, quantiles) == pytest.approx(2 * np.mean(losses) / sales.mean())


def test_the_pinball_loss_of_the_median_is_the_wape():
    sales, median = np.array([100.0, 50.0]), np.array([80.0, 60.0])
    assert metrics.pinball(sales, median[:, None], [0.5]) == pytest.approx(metrics.wape(sales, median))


def test_the_ends_of_an_interval_count_as_inside():
    quantiles = [[8.0, 9.0, 10.0, 11.0, 12.0]] * 5
    figures = metrics.interval_score([8.0, 9.0, 11.0, 12.0, 13.0], quantiles)
    assert figures["rows"] == 5
    assert figures["coverage_80"] == pytest.approx(2 / 5)
    assert figures["coverage_90"] == pytest.approx(4 / 5)
    assert figures["width_80"] == pytest.approx(2 * 5 / 53)
    assert figures["width_90"] == pytest.approx(4 * 5 / 53)
