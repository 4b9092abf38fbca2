"""Compare estimates of accuracy with the truth, for people who label in different ways."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from benchmarks.labelling import policies
from benchmarks.labelling.pools import Album, draw_pool
from benchmarks.labelling.session import Policy, Session
from benchmarks.markdown import table_row
from labelling.learning.arrays import UNLABELLED
from labelling.learning.audit import estimate
from labelling.learning.classifier import train

LABELS = 100
WAYS: Mapping[str, Policy] = {
    "lasso": policies.lasso,
    "suggestions": partial(policies.ours, count=5),
    "random": policies.at_random,
}


def honesty(album: Album, people: Sequence[int]) -> str:
    """Return a table of estimates and true accuracies.

    The pool is drawn from all photos. The truth is the accuracy on the photos of the audit and outside the pool: of
    these the audit is a random sample, and nobody has trained on one.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    for person in people:
        pool = draw_pool(album, person, "all")
        for name, policy in WAYS.items():
            found[name].append(one_person(Session(pool, person), policy))
    columns = ["truth", "audit", "interval holds the truth", "width of the interval", "own labels"]
    lines = [table_row("labels", columns), "|---|" + "---|" * len(columns)]
    lines += [table_row(name, [f"{mean:.3f}" for mean in np.mean(rows, axis=0)]) for name, rows in found.items()]
    return "\n".join(lines)


def one_person(session: Session, policy: Policy) -> list[float]:
    """Return the columns of the table for a person who gives at least LABELS labels."""
    pool = session.pool
    for _ in policy(session):
        if (session.labels >= 0).sum() >= LABELS:
            break
    classifier = session.classifier()
    predicted = classifier.predict(pool.rows[pool.asked]).labels
    others = classifier.predict(pool.other_rows).labels
    truth = np.concatenate([predicted == pool.truth[pool.asked], others == pool.other_truth]).mean()
    found = estimate(pool.truth[pool.asked], predicted)
    assert found.share is not None
    assert found.interval is not None
    low, high = found.interval
    return [truth, found.share, low <= truth <= high, high - low, cross_validated(session)]


def cross_validated(session: Session, folds: int = 5) -> float:
    """Return the accuracy on the person's own labels, each left out of the training in turn."""
    labelled = session.rng.permutation(np.flatnonzero(session.labels >= 0))
    right = []
    for fold in range(folds):
        out = labelled[fold::folds]
        labels = session.labels.copy()
        labels[out] = UNLABELLED
        predicted = train(session.pool.rows, labels, session.pool.audit).predict(session.pool.rows[out]).labels
        right.append(predicted == session.labels[out])
    return float(np.concatenate(right).mean())
