"""Agreement of two reviewers: share of equal answers, and Cohen's kappa."""

from collections import Counter
from collections.abc import Sequence

from schemas.review.cases import Agreement


def agreement(pairs: Sequence[tuple[str, str]]) -> Agreement:
    """Return the agreement of first and second answers.

    Kappa is ``(share - chance) / (1 - chance)`` (Cohen, 1960). Chance is the share of equal answers that is expected of
    two reviewers who give each answer as often as these, but at random. Kappa is undefined if all answers are the same.
    """
    if not pairs:
        return Agreement(0, None, None)
    n_pairs = len(pairs)
    share = sum(first == second for first, second in pairs) / n_pairs
    first, second = (Counter(answers) for answers in zip(*pairs, strict=True))
    chance = sum(first[answer] * second[answer] for answer in first) / n_pairs**2
    return Agreement(n_pairs, share, None if chance == 1 else (share - chance) / (1 - chance))
