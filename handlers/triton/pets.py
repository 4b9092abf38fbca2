"""Breeds in Triton."""

import binascii
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from handlers.triton.tensors import Arrays, Tensor, problem_text, texts
from pets.classifier import Classifier
from schemas.pets.answer import PetWarning, Prediction
from schemas.pets.parse import UNNAMED, parse_request
from schemas.problems import Problem, ProblemError

_OPTIONS = {"heatmap": b"gradcam", "overlay": b"none"}
_HEADERS = {"content-type": UNNAMED[-1]}
_WARNINGS = TypeAdapter(list[PetWarning])


class PetsModel:
    """Classifier of a pets bundle. An item is one photo.

    Attributes:
        max_items: a limit on the memory of a request; the photos have up to 10 MB each.
        batches: False, because the network takes as long for several photos together as for one after the other.
    """

    inputs: Sequence[Tensor] = (Tensor("image", "BYTES"),)
    max_items, batches = 16, False

    def __init__(self, bundle: Path) -> None:
        self.model = Classifier.load(bundle)
        self._places = {name: place for place, name in enumerate(self.model.classes)}
        size = self.model.manifest.image.size
        grey = np.full((1, size, size, 3), 128, np.uint8)
        self._grid: tuple[int, ...] = self.model.run_network(grey).gradcam.shape[1:]
        self.outputs: Sequence[Tensor] = (
            Tensor("breed", "BYTES"),
            Tensor("species", "BYTES"),
            Tensor("probability", "FP32"),
            Tensor("probabilities", "FP32", (len(self._places),), labels=self.model.classes),
            Tensor("known", "BOOL"),
            Tensor("decision", "BYTES"),
            Tensor("review_reason", "BYTES"),
            Tensor("box", "FP32", (4,)),
            Tensor("heatmap", "FP32", self._grid),
            Tensor("warnings", "BYTES"),
            Tensor("problem", "BYTES"),
        )

    def answer(self, requests: Sequence[Arrays]) -> list[Arrays]:
        """Answer requests, photo by photo, so that only one decoded photo is in memory."""
        return [self._outputs([self._answer(photo) for photo in inputs["image"].tolist()]) for inputs in requests]

    def _answer(self, image: bytes) -> Prediction | Problem:
        if not image:
            return Problem.of("malformed-request", "/image: is empty; send the photo's file, or in JSON its base64")
        try:
            request = parse_request({"body": _decoded(image), **_OPTIONS}, _HEADERS)
            query = self.model.prepare(request.model_copy(update={"top_k": len(self._places)}))
            (answer,) = self.model.predict([query])
        except ProblemError as error:
            return error.problem
        return answer

    def _outputs(self, answers: Sequence[Prediction | Problem]) -> Arrays:
        found = [answer if isinstance(answer, Prediction) else None for answer in answers]
        probabilities = np.zeros((len(found), len(self._places)), np.float32)
        boxes = np.zeros((len(found), 4), np.float32)
        heatmaps = np.zeros((len(found), *self._grid), np.float32)
        for row, answer in enumerate(found):
            if answer is not None and answer.heatmap is not None:
                probabilities[row, [self._places[breed.breed] for breed in answer.top]] = [
                    breed.probability for breed in answer.top
                ]
                boxes[row] = (answer.box.left, answer.box.top, answer.box.right, answer.box.bottom)
                heatmaps[row] = answer.heatmap.grid
        return {
            "breed": texts(answer.breed if answer else "" for answer in found),
            "species": texts((answer.species or "") if answer else "" for answer in found),
            "probability": probabilities.max(1),
            "probabilities": probabilities,
            "known": np.array([answer is not None and answer.known for answer in found]),
            "decision": texts(answer.decision if answer else "" for answer in found),
            "review_reason": texts((answer.review_reason or "") if answer else "" for answer in found),
            "box": boxes,
            "heatmap": heatmaps,
            "warnings": texts(_WARNINGS.dump_json(answer.warnings) if answer else "[]" for answer in found),
            "problem": texts(problem_text(answer if isinstance(answer, Problem) else None) for answer in answers),
        }


def _decoded(image: bytes) -> bytes:
    """Return the bytes of a photo. A JSON request can only have them in base64, as which no photo's own bytes pass."""
    try:
        return binascii.a2b_base64(image, strict_mode=True)
    except ValueError:
        return image
