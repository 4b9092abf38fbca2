import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from runtime.shares import Z95, wilson


@given(st.integers(1, 2_000), st.floats(0, 1))
def test_wilsons_ends_solve_the_score_test(number: int, share: float) -> None:
    """By definition the ends are shares q whose distance from p is z standard errors of q."""
    right = round(share * number)
    low, high = wilson(right, number)
    for end in (low, high):
        distance = (right / number - end) ** 2
        assert distance == pytest.approx(Z95**2 * end * (1 - end) / number, abs=1e-9)
    assert 0 <= low <= right / number <= high <= 1


@pytest.mark.parametrize(
    ("right", "number"), [(0, 1), (1, 1), (0, 30), (1, 50), (47, 50), (81, 263), (190, 200), (343, 355), (100, 100)]
)
def test_wilsons_interval_is_scipys(right: int, number: int) -> None:
    theirs = stats.binomtest(right, number).proportion_ci(0.95, method="wilson")
    assert wilson(right, number) == pytest.approx((theirs.low, theirs.high))


def test_wilsons_interval_has_the_published_figures() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I
    assert [round(end, 4) for end in wilson(81, 263)] == [0.2553, 0.3662]
    assert [round(end, 4) for end in wilson(0, 20)] == [0.0, 0.1611]


def test_wilsons_interval_of_nothing_is_0_to_1() -> None:
    assert wilson(0, 0) == (0, 1)
