"""console.review.agreement: the same kappa as scikit-learn's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from console.review.agreement import agreement

LABELS = st.sampled_from(["Bengal", "Abyssinian", "Birman", "cant_tell"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=40))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = agreement(pairs)
    first, second = zip(*pairs, strict=True)
    assert found.share == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    if len({*first, *second}) == 1:
        assert found.kappa is None  # scikit-learn: nan, with a warning
    else:
        expected = cohen_kappa_score(first, second)
        assert found.kappa == pytest.approx(expected) or (found.kappa is None and math.isnan(expected))


def test_chance_counts_for_nothing() -> None:
    pairs = [("cat", "cat"), ("cat", "dog"), ("dog", "cat"), ("dog", "dog")]
    assert (agreement(pairs).share, agreement(pairs).kappa) == (0.5, 0.0)


def test_no_pairs_have_no_agreement() -> None:
    found = agreement([])
    assert (found.pairs, found.share, found.kappa) == (0, None, None)
