"""Second looks at the labels of a project, and the agreement of those who gave them. Held-back photos never appear."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from console.labels.learning.training import some_labelled
from console.labels.service import SeenTable
from labelling.features.spaces import Space
from labelling.learning.arrays import Floats, Ints
from labelling.learning.checks import Doubts, doubtful_labels
from labelling.learning.classifier import COMPONENTS
from labelling.projects.errors import ProjectError
from labelling.projects.rows import second_opinions
from labelling.projects.store import Project
from runtime.shares import kappa
from schemas.labels.checks import (
    BlindPhoto,
    Disagreement,
    DoubtfulLabel,
    LabelAgreement,
    LabelChecks,
    NextPhoto,
    OddPhoto,
)

DOUBTFUL, MOST_DOUBTS, MOST_ODD = 0.5, 200, 24


def labelled_rows(rows: SeenTable, space: Space) -> tuple[Ints, NDArray[np.float32]]:
    """Return the labelled rows that doubts are looked for in, and their components."""
    photos = some_labelled(rows.labels)
    return photos, rows.array(space)[photos, :COMPONENTS]


def doubts(components: NDArray[np.float32], labels: Ints) -> Doubts:
    """Return the doubtful labels among labelled photos; see `labelling.learning.checks`."""
    return doubtful_labels(components, labels, np.zeros(len(labels), np.bool_))


def checks(
    project: Project, rows: SeenTable, space: Space, photos: Ints, found: Doubts, typical: Floats
) -> LabelChecks:
    """Return all that deserves a second look.

    Args:
        project: the project.
        rows: its rows.
        space: space of the checks.
        photos: rows that doubts were looked for in.
        found: doubts about these.
        typical: typicality of each row.
    """
    doubted = zip(photos[found.photos].tolist(), found.probability.tolist(), strict=True)
    return LabelChecks(
        space=space.name,
        rows_version=rows.version,
        noise=[
            DoubtfulLabel(sha256=rows.photos[row], label=int(rows.labels[row]), probability=round(probability, 4))
            for row, probability in doubted
            if probability < DOUBTFUL
        ][:MOST_DOUBTS],
        odd=[
            OddPhoto(sha256=rows.photos[row], typicality=round(float(typical[row]), 4))
            for row in np.argsort(typical, kind="stable")[:MOST_ODD].tolist()
        ],
        duplicates=duplicates(rows),
        disagreements=[
            Disagreement(sha256=photo, labels=labels)
            for photo, labels in project.events.disagreements().items()
            if photo in rows.place
        ],
    )


def duplicates(rows: SeenTable) -> list[list[str]]:
    """Return the groups of near duplicates, the largest first."""
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for photo, group in zip(rows.photos, rows.groups.tolist(), strict=True):
        groups[group].append(photo)
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)


def agreement(project: Project, who: str) -> LabelAgreement:
    """Return the agreement of people on photos that two of them have labelled."""
    opinions = second_opinions(project, who)
    found = kappa(opinions.pairs)
    return LabelAgreement(
        photos=len(opinions.pairs),
        agreed=sum(first == second for first, second in opinions.pairs),
        kappa=None if found is None or found.kappa is None else round(found.kappa, 4),
        interval=None if found is None or found.interval is None else [round(end, 4) for end in found.interval],
        waiting=len(opinions.waiting),
    )


def next_opinion(project: Project, who: str) -> NextPhoto:
    """Return the next photo for somebody's second opinion."""
    waiting = second_opinions(project, who).waiting
    return NextPhoto(photo=BlindPhoto(sha256=waiting[0]) if waiting else None, waiting=len(waiting))


def give_opinion(project: Project, who: str, photo: str, label: int) -> None:
    """Store a second opinion.

    Raises:
        ProjectError: if the photo does not wait for one of this person.
    """
    if photo not in second_opinions(project, who).waiting:
        raise ProjectError(f"photo: {photo} does not wait for your second opinion; ask for the next photo")
    project.events.label({photo: label}, who=who, how="second")
