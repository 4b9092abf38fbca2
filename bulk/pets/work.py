"""The work of a pets job: classify the photos of a part, one row for each."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from bulk.job import Done, Part, Task
from bulk.storage.places import storage_of
from pets.classifier import Classifier
from runtime.device import pick_device
from runtime.errors import UserError
from schemas.pets.answer import Prediction
from schemas.pets.request import PetRequest
from schemas.problems import Problem, ProblemError, validation_problem

_BREED = pa.struct([("breed", pa.string()), ("probability", pa.float64())])
SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("breed", pa.string()),
        ("species", pa.string()),
        ("probability", pa.float64()),
        ("known", pa.bool_()),
        ("decision", pa.string()),
        ("review_reason", pa.string()),
        ("top", pa.list_(_BREED)),
        ("warnings", pa.string()),
        ("problem", pa.string()),
    ]
)


class PhotoError(UserError):
    """A photo that can't be classified, in a job that refuses such photos."""


class PetsWork:
    """Predictions for parts by one bundle, which a process loads once."""

    def __init__(self, task: Task) -> None:
        """Load the bundle.

        Raises:
            BundleError: if it is damaged.
        """
        folder = Path(task.bundle)
        self._task, self._fields = task, json.loads(task.options)
        share = self._fields.pop("review_share", None)
        self._classifier = Classifier.load(folder, device=pick_device(task.device), review_share=share)

    def survey(self, part: Part, *, again: bool) -> Done:
        """Return the number of photos; nothing else is needed before they are answered."""
        return Done(part.number, len(part.photos))

    def answer(self, part: Part) -> "PetsAnswers":
        """Return a row for each photo of a part."""
        return PetsAnswers(self, part)

    def row(self, place: str) -> tuple[dict[str, Any], Prediction | Problem]:
        """Return the row of a photo, and its prediction or problem.

        Raises:
            PhotoError: if it can't be classified and the job refuses such photos.
        """
        answer = self._predict(place)
        if isinstance(answer, Prediction):
            return _row(_text(place), answer), answer
        if self._task.bad_rows == "refuse":
            remedy = "remove it, or use --bad-rows keep; both are another job, in another folder"
            raise PhotoError(f"{place}: {answer.detail}; the job ends here; {remedy}")
        return {"photo": _text(place), "problem": answer.detail}, answer

    def _predict(self, place: str) -> Prediction | Problem:
        with storage_of(place).open(place) as file:
            content = file.read()
        try:
            request = PetRequest.model_validate({**self._fields, "image": content})
            (answer,) = self._classifier.predict([self._classifier.prepare(request)])
        except ValidationError as error:
            return validation_problem(error)
        except ProblemError as error:
            return error.problem
        return answer


class PetsAnswers:
    """The photos of a part with their breeds, and the counts of those so far."""

    def __init__(self, work: PetsWork, part: Part) -> None:
        self._work, self._part = work, part
        self._notes: Counter[str] = Counter()
        self.bad = 0

    @property
    def notes(self) -> dict[str, int]:
        """Return the number of photos with each kind of warning, and of those to review."""
        return dict(self._notes)

    def __iter__(self) -> Iterator[pa.Table]:
        self._notes, self.bad = Counter(), 0
        rows = []
        for place in self._part.photos:
            row, answer = self._work.row(place)
            rows.append(row)
            if isinstance(answer, Problem):
                self.bad += 1
                continue
            self._notes.update({warning.code for warning in answer.warnings})
            if answer.review_reason is not None:
                self._notes[f"review: {answer.review_reason}"] += 1
        yield pa.Table.from_pylist(rows, SCHEMA)


def _text(place: str) -> str:
    """Return a place as text, also if its name is no UTF-8."""
    return os.fsencode(place).decode("utf-8", "replace")


def _row(place: str, answer: Prediction) -> dict[str, Any]:
    return {
        "photo": place,
        "breed": answer.breed,
        "species": answer.species,
        "probability": answer.probability,
        "known": answer.known,
        "decision": answer.decision,
        "review_reason": answer.review_reason,
        "top": [{"breed": breed.breed, "probability": breed.probability} for breed in answer.top],
        "warnings": ";".join(warning.code for warning in answer.warnings),
        "problem": None,
    }
