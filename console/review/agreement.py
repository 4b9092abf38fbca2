"""Agreement of two reviewers: share of equal answers, and Cohen's kappa."""

from collections.abc import Sequence

from runtime.shares import kappa
from schemas.review.cases import Agreement


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Return the agreement of first and second answers."""
    found = kappa(pairs)
    return Agreement(0, None, None) if found is None else Agreement(len(pairs), found.share, found.kappa)
