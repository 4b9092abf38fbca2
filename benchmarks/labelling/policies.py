"""Policies of a scripted user: which photos to label next."""

import warnings
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from benchmarks.labelling.session import Session
from labelling.learning.arrays import Floats, unit
from labelling.learning.checks import typicality
from labelling.learning.suggestions import suggest

BATCH = 5  # photos that the policies by margin label between two trainings
SIMILAR = 12  # photos of a group by similarity


def ours(session: Session, count: int = 1) -> Iterator[None]:
    """Do what `suggest` says, with a number of single photos at a time."""
    pool = session.pool
    typical = typicality(pool.rows, pool.audit)
    while session.open.size:
        found = suggest(
            pool.rows,
            session.labels,
            audit=pool.audit,
            typical=typical,
            classifier=session.classifier(),
            refused=session.refused,
            count=count,
        )
        if found[0].kind == "group":
            session.confirm([(group.photos, group.labels[0]) for group in found])
        else:
            for single in found:
                session.name(int(single.photos[0]))
        yield


def at_random(session: Session) -> Iterator[None]:
    """Label photos in random order."""
    yield from _name(session, session.rng.permutation(session.open))


def margin(session: Session, margins: Callable[[Session], Floats] | None = None) -> Iterator[None]:
    """Label ten photos at random, then those with the smallest margin between two labels, five at a time."""
    yield from _name(session, session.rng.permutation(session.open)[:10])
    while (photos := session.open).size:
        if len(np.unique(session.labels)) < 3:  # one label, besides the photos without
            yield from _name(session, session.rng.permutation(photos)[:1])
            continue
        leads = (margins or _own_margins)(session)
        yield from _name(session, photos[np.argsort(leads[photos], kind="stable")[:BATCH]])


def margin_of_scikit_learn(session: Session) -> Iterator[None]:
    """Do as `margin`, with scikit-learn's logistic regression in place of ours."""
    from sklearn.linear_model import LogisticRegression  # of the extra test

    inputs = unit(session.pool.rows[:, :128])

    def margins(session: Session) -> Floats:
        known = session.labels >= 0
        model = LogisticRegression(C=20.0, class_weight="balanced", max_iter=1000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "could represent a regression problem"
            model.fit(inputs[known], session.labels[known])
        ordered = np.sort(model.predict_proba(inputs), axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2])

    yield from margin(session, margins)


def k_centre(session: Session) -> Iterator[None]:
    """Label the photo that is farthest from all labelled ones (Sener and Savarese 2018), from a random first one."""
    vectors = unit(session.pool.rows)
    yield from _name(session, session.rng.permutation(session.open)[:1])
    while (photos := session.open).size:
        nearest = (vectors[photos] @ vectors[session.labels >= 0].T).max(axis=1)
        yield from _name(session, photos[[nearest.argmin()]])


def groups(session: Session) -> Iterator[None]:
    """Choose a typical photo far from the labelled ones, and confirm it with the eleven photos most like it."""
    pool = session.pool
    vectors, typical = unit(pool.rows), typicality(pool.rows, pool.audit)
    while (photos := session.open).size:
        labelled = session.labels >= 0
        nearest = (vectors[photos] @ vectors[labelled].T).max(axis=1) if labelled.any() else np.zeros(len(photos))
        first = photos[np.argmax(typical[photos] * (1 - nearest))]
        group = photos[np.argsort(-(vectors[photos] @ vectors[first]), kind="stable")[:SIMILAR]]
        session.confirm([(group, int(pool.truth[first]))])
        yield


def lasso(session: Session) -> Iterator[None]:
    """Choose a random photo and the eleven most like it, until there are enough labels: many of few breeds."""
    vectors = unit(session.pool.rows)
    while (photos := session.open).size:
        first = session.rng.choice(photos)
        group = photos[np.argsort(-(vectors[photos] @ vectors[first]), kind="stable")[:SIMILAR]]
        session.confirm([(group, int(session.pool.truth[first]))])
        yield


def _name(session: Session, photos: Iterable[int]) -> Iterator[None]:
    for photo in photos:
        session.name(int(photo))
        yield


def _own_margins(session: Session) -> Floats:
    return session.classifier().predict(session.pool.rows).margin
