import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from runtime.shares import Z95, kappa, wilson


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


LABELS = st.sampled_from(["Bengal", "Abyssinian", "Birman", "cant_tell"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = kappa(pairs)
    assert found is not None
    first, second = zip(*pairs, strict=True)
    assert found.share == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    if len({*first, *second}) == 1:
        assert (found.kappa, found.interval) == (None, None)  # scikit-learn: nan, with a warning
        return
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert found.interval is not None
    assert found.interval.low <= found.kappa + 1e-12
    assert found.kappa - 1e-12 <= found.interval.high <= 1 + 1e-12


def test_chance_counts_for_nothing() -> None:
    found = kappa([("cat", "cat"), ("cat", "dog"), ("dog", "cat"), ("dog", "dog")])
    assert found is not None
    assert (found.share, found.kappa) == (0.5, 0.0)
    assert kappa([]) is None


@pytest.mark.parametrize(("n_pairs", "error"), [(20, 0.05), (50, 0.1), (100, 0.3)])
def test_the_interval_holds_the_true_kappa_of_two_people(n_pairs: int, error: float) -> None:
    """Two people see one of four labels; each is wrong independently, and is as likely to take any of the others."""
    rng = np.random.default_rng(0)
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    confusion = np.full((4, 4), error / 3) + np.eye(4) * (1 - error - error / 3)
    joint = np.einsum("t,ta,tb->ab", shares, confusion, confusion)
    chance = joint.sum(axis=1) @ joint.sum(axis=0)
    truth = (np.trace(joint) - chance) / (1 - chance)
    holds = 0
    for _ in range(2000):
        drawn = rng.choice(16, n_pairs, p=joint.ravel())
        found = kappa(list(zip((drawn // 4).tolist(), (drawn % 4).tolist(), strict=True)))
        assert found is not None
        holds += found.interval is not None and found.interval.low <= truth <= found.interval.high
    assert 0.92 <= holds / 2000 <= 0.99
