"""benchmarks.growth.curve: exponents of known curves."""

import time

import pytest

from benchmarks.growth.curve import Curve, measure

SIZES = (1, 10, 100, 1_000, 10_000)


@pytest.mark.parametrize(("exponent", "fixed"), [(0, 0.0), (1, 0.0), (2, 0.0), (1, 5.0)])
def test_the_exponent_is_that_of_the_large_sizes(exponent: int, fixed: float) -> None:
    curve = Curve("cost", "size", SIZES, [fixed + float(size) ** exponent for size in SIZES], 1)
    assert curve.exponent == pytest.approx(exponent, abs=0.02)
    assert curve.is_as_expected == (exponent <= 1)


def test_a_cost_that_falls_is_as_expected() -> None:
    assert Curve("cost", "size", SIZES, [1 / size for size in SIZES], 0).is_as_expected


def test_cpu_time_is_measured_and_sleep_is_not() -> None:
    def compute(times: int) -> None:
        sum(range(times))

    calls = [(times, lambda times=times: compute(times)) for times in (40_000, 160_000, 640_000)]  # type: ignore[misc]
    curve = measure("cost", "size", calls, expected=1, rounds=5, repeat_s=0.02)
    assert 0.6 < curve.exponent < 1.4
    asleep = measure("cost", "size", [(1, lambda: time.sleep(0.02))], expected=0, rounds=1, repeat_s=1e-9)
    assert asleep.costs[0] < 0.01
