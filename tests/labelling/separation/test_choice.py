"""Choice of a space: against a slow reference by scikit-learn, and with labels that mean nothing."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from labelling.separation.choice import choose
from labelling.separation.discriminant import SHRINKAGES
from labelling.separation.splits import nested


def made(n, signal, seed, n_spaces=2, dimensions=6):
    """Return spaces of which the second alone knows the labels, and the labels."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(n) % 2)
    spaces = {f"space {index}": random.normal(size=(n, dimensions)) for index in range(n_spaces)}
    spaces["space 1"][:, 0] += signal * labels
    return {name: rows - rows.mean(axis=0) for name, rows in spaces.items()}, labels


def pairs_in_order(rows, labels, known, held, shrinkage):
    """Return the held-out pairs in the right order and their number."""
    found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(rows[known], labels[known])
    value = found.decision_function(rows)
    first, second = value[held & (labels == 0)], value[held & (labels == 1)]
    return (second[:, None] > first).sum(), len(first) * len(second)


def in_range(score, won, inner, total):
    """Return True if a choice of the best inner candidates has the score. Some are equally good in a fold."""
    best = inner == inner.max(axis=1, keepdims=True)
    lowest, highest = np.where(best, won, np.inf).min(axis=1).sum(), np.where(best, won, 0).max(axis=1).sum()
    assert highest - lowest < 0.02 * total
    return lowest - 1e-6 <= score * total <= highest + 1e-6


def test_space_shrinkage_and_scores_are_those_of_a_slow_reference():
    spaces, labels = made(44, 1.2, seed=3)
    choice = choose(spaces, labels, np.random.default_rng(5))
    candidates = [(name, shrinkage) for name in spaces for shrinkage in SHRINKAGES]
    outer, inner, total = [], [], 0
    for split in nested(labels, np.random.default_rng(5)):
        held = np.array([np.isin(np.arange(44), rows[member.any(axis=1)])
                         for rows, member in zip(split.held, split.members, strict=True)])  # fmt: skip
        won = np.array([
            [pairs_in_order(spaces[name], labels, known, out, shrinkage) for name, shrinkage in candidates]
            for known, out in zip(split.training, held, strict=True)
        ])  # fmt: skip
        outer.append(won[0, :, 0])
        inner.append(won[1:, :, 0].sum(axis=0))
        total += won[0, 0, 1]
    won, best = np.array(outer), np.array(inner)
    assert in_range(choice.score, won, best, total)
    for name, score in choice.ranking:
        part = [index for index, candidate in enumerate(candidates) if candidate[0] == name]
        assert in_range(score, won[:, part], best[:, part], total)
    sums = dict(zip(candidates, won.sum(axis=0), strict=True))
    assert choice.space == "space 1" == choice.ranking[0][0]
    assert sums["space 1", choice.shrinkage] == max(sums["space 1", shrinkage] for shrinkage in SHRINKAGES)


@pytest.mark.parametrize("n", [10, 24])
def test_labels_that_mean_nothing_score_one_half_on_average(n):
    scores, best = [], []
    for seed in range(60):
        spaces, labels = made(n, 0, seed, n_spaces=5)
        choice = choose(spaces, labels, np.random.default_rng(seed))
        scores.append(choice.score)
        best.append(choice.ranking[0][1])
    assert np.mean(scores) == pytest.approx(0.5, abs=3 * np.std(scores) / 60**0.5)
    assert np.mean(best) > 0.6  # the best of several scores, which is why it isn't the one that is printed


def test_the_space_that_knows_the_labels_is_ranked_first():
    for seed in range(5):
        spaces, labels = made(30, 5, seed, n_spaces=6)
        choice = choose(spaces, labels, np.random.default_rng(0))
        assert choice.space == "space 1"
        assert choice.score > 0.9
        assert len(choice.ranking) == 6
        assert [score for _, score in choice.ranking] == sorted((score for _, score in choice.ranking), reverse=True)
