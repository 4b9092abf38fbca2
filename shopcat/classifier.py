"""Breeds and heatmaps of photos, without a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, overload

from pets.classifier import Classifier as Predictor
from pets.classifier import Query
from runtime.device import pick_device
from schemas.pets.answer import Prediction
from schemas.pets.parse import parse_request
from schemas.pets.request import Look, Method
from schemas.problems import Problem, ProblemError
from shopcat.errors import RequestError

Photo = str | os.PathLike[str] | bytes
Overlay = Literal["none", "png"]

_BATCH_SIZE = 16  # photos that are decoded and in memory at a time
_PHOTO_PROBLEMS = ("malformed-request", "not-an-image", "damaged-image", "image-too-large")
_HEADERS = {"content-type": "application/octet-stream"}  # leave the image format to the decoder


class Classifier:
    """Classifier of a pets bundle.

    A photo is a path, or the bytes of a file: JPEG, PNG, WebP, GIF, BMP or TIFF.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        device: str | None = None,
        *,
        threads: int = 1,
        review_share: float | None = None,
    ) -> Classifier:
        """Load a pets bundle and verify it, as `shopcat.load` does.

        Args:
            path: folder of the bundle.
            device: as for `shopcat.load`.
            threads: as for `shopcat.load`.
            review_share: share of the accepted photos that go to review at random, 0 to 1; the bundle's if left out.
        """
        return cls(Predictor.load(Path(path), device=pick_device(device), threads=threads, review_share=review_share))

    def __repr__(self) -> str:
        return f"<shopcat.Classifier {self.name} {self.version}: {len(self.classes)} classes>"

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self._predictor.name

    @property
    def version(self) -> str:
        """Return the bundle's version."""
        return self._predictor.version

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes."""
        return tuple(self._predictor.classes)

    @property
    def threshold(self) -> float:
        """Return the probability below which the decision is ``review``."""
        return self._predictor.manifest.threshold

    @property
    def known_threshold(self) -> float | None:
        """Return the largest logit below which a photo is unknown; None if the bundle has no such threshold."""
        return self._predictor.manifest.known_threshold

    @property
    def review_share(self) -> float:
        """Return the share of the accepted photos that go to review at random, 0 to 1."""
        return self._predictor.review_share

    # A str is also a sequence of paths to a type checker, which takes the first overload that fits.
    @overload
    def classify(  # type: ignore[overload-overlap]
        self,
        photo: Photo,
        *,
        heatmap: Literal["none"] | Method = ...,
        class_: str | None = ...,
        versus: str | None = ...,
        look: Look = ...,
        top_k: int = ...,
        overlay: Overlay = ...,
    ) -> Prediction: ...

    @overload
    def classify(
        self,
        photo: Sequence[Photo],
        *,
        heatmap: Literal["none"] | Method = ...,
        class_: str | None = ...,
        versus: str | None = ...,
        look: Look = ...,
        top_k: int = ...,
        overlay: Overlay = ...,
    ) -> list[Prediction | Problem]: ...

    def classify(
        self,
        photo: Photo | Sequence[Photo],
        *,
        heatmap: Literal["none"] | Method = "none",
        class_: str | None = None,
        versus: str | None = None,
        look: Look = "whole",
        top_k: int = 5,
        overlay: Overlay = "png",
    ) -> Prediction | list[Prediction | Problem]:
        """Return the breed of one photo, or of each photo in a list.

        ::

            prediction = model.classify("photo.jpg", heatmap="gradcam")
            prediction.breed, prediction.probability, prediction.known, prediction.decision

        Args:
            photo: path or bytes of a photo, or a list of these.
            heatmap: heatmap to compute: ``activation`` (where the last layer is active), ``gradcam`` (evidence for a
                class), ``contrast`` (evidence for a class rather than another) or ``none``.
            class_: class that the heatmap explains; the predicted class if left out.
            versus: class that a contrast is computed against; the most probable other class if left out.
            look: ``closer`` classifies the part of the photo with the animal, if it is much smaller than the photo; see
                the prediction's ``look`` and ``box``.
            top_k: number of most probable breeds in the answer.
            overlay: ``png`` also draws the heatmap on the photo.

        Returns:
            The prediction. For a list, the prediction or the problem of each photo, in order.

        Raises:
            RequestError: if an option is wrong, or, for one photo, if it cannot be decoded.
            OSError: if a file cannot be read.
        """
        options = _options(heatmap, class_, versus, look, top_k, overlay)
        return self._predict(photo, options, explain=False)

    @overload
    def explain(  # type: ignore[overload-overlap]
        self,
        photo: Photo,
        *,
        heatmap: Method = ...,
        class_: str | None = ...,
        versus: str | None = ...,
        look: Look = ...,
        top_k: int = ...,
        overlay: Overlay = ...,
    ) -> Prediction: ...

    @overload
    def explain(
        self,
        photo: Sequence[Photo],
        *,
        heatmap: Method = ...,
        class_: str | None = ...,
        versus: str | None = ...,
        look: Look = ...,
        top_k: int = ...,
        overlay: Overlay = ...,
    ) -> list[Prediction | Problem]: ...

    def explain(
        self,
        photo: Photo | Sequence[Photo],
        *,
        heatmap: Method = "gradcam",
        class_: str | None = None,
        versus: str | None = None,
        look: Look = "whole",
        top_k: int = 5,
        overlay: Overlay = "png",
    ) -> Prediction | list[Prediction | Problem]:
        """Return the breed with a heatmap, as ``/explanations/pets`` does. `classify` describes the arguments."""
        options = _options(heatmap, class_, versus, look, top_k, overlay)
        return self._predict(photo, options, explain=True)

    def _predict(
        self, photo: Photo | Sequence[Photo], options: dict[str, str], *, explain: bool
    ) -> Prediction | list[Prediction | Problem]:
        if isinstance(photo, (str, os.PathLike, bytes)):
            (answer,) = self._batch([photo], options, explain)
            if isinstance(answer, Problem):
                raise RequestError(answer)
            return answer
        photos = list(photo)
        return [
            answer
            for start in range(0, len(photos), _BATCH_SIZE)
            for answer in self._batch(photos[start : start + _BATCH_SIZE], options, explain)
        ]

    def _batch(self, photos: Sequence[Photo], options: dict[str, str], explain: bool) -> list[Prediction | Problem]:
        """Return the answer to each photo, from one run of the network."""
        queries: dict[int, Query] = {}
        answers: dict[int, Prediction | Problem] = {}
        for index, photo in enumerate(photos):
            content = _content(photo)
            try:
                request = parse_request({"body": content, **options}, _HEADERS, explain=explain)
                queries[index] = self._predictor.prepare(request)
            except ProblemError as error:
                rejection = RequestError(error.problem)
                if rejection.kind not in _PHOTO_PROBLEMS:  # a wrong option is wrong for all photos
                    raise rejection from None
                answers[index] = error.problem
        if queries:
            answers.update(zip(queries, self._predictor.predict(list(queries.values())), strict=True))
        return [answers[index] for index in range(len(photos))]


def _content(photo: Photo) -> bytes:
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, (str, os.PathLike)):
        return Path(photo).read_bytes()
    raise TypeError(f"a photo is a path or bytes, not {type(photo).__name__}")


def _options(
    heatmap: str, class_: str | None, versus: str | None, look: str, top_k: int, overlay: str
) -> dict[str, str]:
    """Return the options as a query string of the service has them: text, without those left out."""
    options = {"heatmap": heatmap, "class": class_, "versus": versus, "look": look, "top_k": top_k, "overlay": overlay}
    return {name: str(value) for name, value in options.items() if value is not None}
