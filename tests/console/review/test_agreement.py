"""console.review.agreement: the share of equal answers and the kappa of the pairs."""

from console.review.agreement import agreement
from runtime.shares import kappa

PAIRS = [("Bengal", "Bengal"), ("Bengal", "cant_tell"), ("Birman", "Birman")]


def test_the_agreement_is_that_of_the_pairs() -> None:
    found, expected = agreement(PAIRS), kappa(PAIRS)
    assert expected is not None
    assert (found.pairs, found.share, found.kappa) == (3, expected.share, expected.kappa)


def test_no_pairs_have_no_agreement() -> None:
    found = agreement([])
    assert (found.pairs, found.share, found.kappa) == (0, None, None)
