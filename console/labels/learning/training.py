"""The classifier of a project: trained on the labels of now when somebody asks for it, and the best space for it."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from console.labels.service import OpenProject, SeenTable, Worker
from labelling.features.spaces import BY_NAME, Space
from labelling.learning.arrays import Floats, Ints
from labelling.learning.checks import TYPICAL_NEIGHBOURS, typicality
from labelling.learning.classifier import COMPONENTS, Classifier, Predictions, SpaceScore, rank_spaces, train
from labelling.projects.models import Models, labels_hash

logger = logging.getLogger(__name__)

FIRST_SPACE = BY_NAME["final-what"]  # until another one is known to be better
RANK_FROM, RANK_AGAIN = 20, 1.25  # labels of the first ranking of spaces, and growth until the next one
NEW_LABEL = 5  # photos of a label that the last ranking does not know, which also begin the next one
RANKED = 1000  # labels that a ranking uses at most; why: seconds of CPU for 14 spaces
SURELY = 2.0  # standard errors by which another space must be better; see benchmarks/labelling/separation.py
IN_A_THREAD = 5000  # photos whose typicality takes less than a second
SAMPLE = 2000  # photos that are looked for neighbours in if there are more
KEPT = 16  # results of computations

Result = TypeVar("Result")

Key = tuple[str, bytes]  # version of the rows, and hash of their labels


class Trained(NamedTuple):
    """A classifier that knows the labels of some rows.

    Attributes:
        rows: the rows.
        space: the space.
        classifier: the classifier.
        predictions: its predictions for the rows.
        labels_hash: hash of the photos and labels that it knows; None before there are two labels.
    """

    rows: SeenTable
    space: Space
    classifier: Classifier
    predictions: Predictions
    labels_hash: str | None

    @property
    def figures(self) -> dict[str, str]:
        """Return all that tells the classifier from others of the same labels, for its record."""
        return {"space": self.space.name}


class Ranking(NamedTuple):
    """Spaces by how well a classifier in them predicts labels.

    Attributes:
        scores: spaces, best first.
        labels: label ids that took part.
        labelled: number of labels that took part.
    """

    scores: tuple[SpaceScore, ...] = ()
    labels: tuple[int, ...] = ()
    labelled: int = 0


class Learner:
    """Classifiers and rankings from a project's labels. `OpenProject.part` makes one for each project.

    Training runs in the calling thread, one at a time. Who waits for it gets the classifier of the labels of then, so
    that labels which come fast cost one training, not one each.

    Args:
        opened: the project.
    """

    def __init__(self, opened: OpenProject) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._trained: dict[Space, tuple[Key, Trained]] = {}
        self._results: dict[Hashable, object] = {}
        self.models = Models(opened.project.database, opened.project.audits)
        self.ranking = Ranking()
        self.best = FIRST_SPACE
        self._ranker: asyncio.Task[None] | None = None

    def trained(self, space: Space) -> Trained:
        """Return the classifier of the labels of now. It blocks: call it in a thread."""
        with self._lock:
            rows = self._opened.rows()
            key = key_of(rows)
            known = self._trained.get(space)
            if known is not None and known[0] == key:
                return known[1]
            array = rows.array(space) if rows.photos else np.zeros((0, 0), np.float32)
            classifier = train(array, rows.labels, rows.audit, None if known is None else known[1].classifier)
            known_labels = labels_hash(rows) if classifier.state == "trained" else None
            found = Trained(rows, space, classifier, classifier.predict(array), known_labels)
            self._trained[space] = key, found
        if known_labels is not None:
            self._opened.hub.publish("model", {"space": space.name})
        return found

    async def once(self, key: Hashable, compute: Callable[[], Awaitable[Result]]) -> Result:
        """Return what was computed for a key; the results of the last few keys are kept."""
        if key not in self._results:
            while len(self._results) >= KEPT:
                del self._results[next(iter(self._results))]
            self._results[key] = await compute()
        return cast("Result", self._results[key])

    async def typical(
        self, rows: SeenTable, space: Space, worker: Worker, neighbours: int = TYPICAL_NEIGHBOURS
    ) -> Floats:
        """Return the typicality of each row. Many rows are computed in the worker."""
        if not rows.photos:
            return np.zeros(0)

        async def compute() -> Floats:
            array = await run_in_threadpool(rows.array, space)
            if len(array) <= IN_A_THREAD:
                return await run_in_threadpool(typicality, array, rows.audit, neighbours=neighbours)
            return await worker.run(typicality, array, rows.audit, neighbours=neighbours, among=SAMPLE)

        return await self.once((rows.version, space, neighbours), compute)

    def rank(self, rows: SeenTable, spaces: tuple[Space, ...], worker: Worker) -> bool:
        """Begin to rank the spaces if there are enough more labels than the last ranking knows.

        Returns:
            True while a ranking is computed.
        """
        if self._ranker is not None and not self._ranker.done():
            return True
        labels, counts = np.unique(rows.labels[rows.labels > 0], return_counts=True)
        is_new = ~np.isin(labels, self.ranking.labels) & (counts >= NEW_LABEL)
        enough = counts.sum() >= max(RANK_FROM, RANK_AGAIN * self.ranking.labelled)
        if not enough and not (self.ranking.labelled and is_new.any()):
            return False
        self._ranker = asyncio.create_task(self._rank(rows, spaces, worker))
        return True

    async def _rank(self, rows: SeenTable, spaces: tuple[Space, ...], worker: Worker) -> None:
        try:
            photos = some_labelled(rows.labels)
            arrays = await run_in_threadpool(_labelled_rows, rows, spaces, photos)
            labels = rows.labels[photos]
            scores = await worker.run(rank_spaces, arrays, labels, np.zeros(len(labels), np.bool_))
        except Exception:
            logger.exception("the spaces can't be ranked; the next labels are another try")
            return
        n_labelled = int((rows.labels > 0).sum())
        self.ranking = Ranking(tuple(scores), tuple(np.unique(rows.labels[rows.labels > 0]).tolist()), n_labelled)
        best = best_space(self.best, scores)
        if best != self.best:
            self.best = best
            self._opened.hub.publish("model", {"space": best.name})


def key_of(rows: SeenTable) -> Key:
    """Return a key that is equal for equal rows with equal labels."""
    return rows.version, hashlib.sha256(rows.labels.tobytes()).digest()


def some_labelled(labels: Ints) -> Ints:
    """Return the labelled rows, or a random RANKED of them."""
    photos = np.flatnonzero(labels >= 0)
    if len(photos) <= RANKED:
        return photos
    return np.sort(np.random.default_rng(0).permutation(photos)[:RANKED])


def best_space(now: Space, scores: list[SpaceScore]) -> Space:
    """Return the space with the lowest log loss, or the space of now if that is not surely worse."""
    behind = {score.space: score.behind for score in scores}
    if not scores or behind.get(now.name, np.inf) <= SURELY:
        return now
    return BY_NAME[scores[0].space]


def _labelled_rows(rows: SeenTable, spaces: tuple[Space, ...], photos: Ints) -> Mapping[str, NDArray[np.float32]]:
    return {space.name: rows.array(space)[photos, :COMPONENTS] for space in spaces}
