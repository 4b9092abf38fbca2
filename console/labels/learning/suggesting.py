"""Similar photos, predictions and suggestions of a project, as its page shows them."""

from collections.abc import Iterable, Mapping

import numpy as np

from console.labels.learning.training import Trained
from console.labels.service import SeenTable
from labelling.features.spaces import Space
from labelling.learning.arrays import UNLABELLED, Floats, Ints
from labelling.learning.similar import find_similar
from labelling.learning.suggestions import suggest
from labelling.projects.errors import UnknownError
from labelling.projects.store import Project
from schemas.labels.learning import (
    LabelModel,
    LabelPredictions,
    LabelStage,
    LabelSuggestion,
    LabelSuggestions,
    SimilarPhoto,
    SimilarPhotos,
    SimilarRequest,
)


def rows_of(rows: SeenTable, photos: Iterable[str], field: str) -> Ints:
    """Return the row of each photo.

    Args:
        rows: the rows.
        photos: hashes of photos.
        field: name of the request's field, for the message.

    Raises:
        UnknownError: if one is not among the photos that may be seen.
    """
    found = []
    for photo in photos:
        if photo not in rows.place:
            raise UnknownError(f"{field}: {photo} is not on the map; ask for /photos again, and choose from these")
        found.append(rows.place[photo])
    return np.array(found, np.int64)


def similar(rows: SeenTable, space: Space, wanted: SimilarRequest) -> SimilarPhotos:
    """Return photos like some, and unlike others."""
    positives = rows_of(rows, wanted.positives, "positives")
    negatives = rows_of(rows, wanted.negatives, "negatives")
    found = find_similar(
        rows.array(space),
        positives,
        negatives,
        audit=rows.audit,
        leave_out=rows.labels != UNLABELLED if wanted.leave_labelled else None,
        groups=rows.groups,
        count=wanted.most,
    )
    return SimilarPhotos(
        space=space.name,
        photos=[
            SimilarPhoto(sha256=rows.photos[row], score=round(score, 4), near_duplicate=copy)
            for row, score, copy in zip(*(column.tolist() for column in found), strict=True)
        ],
    )


def predictions(trained: Trained) -> LabelPredictions:
    """Return the predictions of a classifier; the columns are empty before there are two labels."""
    rows, found = trained.rows, trained.predictions
    is_trained = trained.classifier.state == "trained"
    return LabelPredictions(
        state=trained.classifier.state,
        model=_model(trained) if is_trained else None,
        labels=found.labels.tolist() if is_trained else [],
        confidence=_short(found.confidence) if is_trained else [],
        margin=_short(found.margin) if is_trained else [],
        second=found.second.tolist() if is_trained else [],
        rows_version=rows.version,
    )


def suggestions(project: Project, trained: Trained, typical: Floats, count: int) -> LabelSuggestions:
    """Return what to label next.

    Args:
        project: the project.
        trained: classifier of the labels of now.
        typical: typicality of each row.
        count: number of single photos at most.
    """
    rows = trained.rows
    n_answered = int((rows.labels != UNLABELLED).sum())
    stage = LabelStage(labelled=n_answered, photos=len(rows.photos))
    if n_answered == len(rows.photos):
        return LabelSuggestions(kind="done", space=trained.space.name, stage=stage, suggestions=[])
    refused = {(rows.place[photo], label) for photo, label in project.events.refused() if photo in rows.place}
    found = suggest(
        rows.array(trained.space),
        rows.labels,
        audit=rows.audit,
        typical=typical,
        classifier=trained.classifier,
        refused=refused,
        count=count,
    )
    names = names_of(project)
    return LabelSuggestions(
        kind=found[0].kind,
        space=trained.space.name,
        stage=stage,
        suggestions=[
            LabelSuggestion(
                why=suggestion.why(names),
                photos=[rows.photos[row] for row in suggestion.photos.tolist()],
                labels=[*suggestion.labels],
            )
            for suggestion in found
        ],
    )


def names_of(project: Project) -> Mapping[int, str]:
    """Return the name of each label."""
    return {label.id: label.name for label in project.labels.list(retired=True)}


def _model(trained: Trained) -> LabelModel:
    return LabelModel(
        space=trained.space.name, labels=trained.classifier.labels.tolist(), labels_hash=trained.labels_hash or ""
    )


def _short(values: Floats) -> list[float]:
    """Return numbers with four digits; why: a page of 50,000 rows takes a third of the bytes."""
    return list(np.round(values, 4).tolist())
