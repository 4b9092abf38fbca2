"""The pets predictor: photos in, breeds and heatmaps out.

TorchServe's handler, the commands and the evaluation all call the same `Classifier`.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pets import bundle as bundles
from pets.class_names import ClassNames
from pets.golden import verify
from pets.graph import Rival, Target
from pets.heatmap import overlay
from pets.image_files import MAX_PIXELS
from pets.images import Box, Photo, crop, cut, open_photo
from pets.network import Output, Precision, Run, networks
from pets.photo_warnings import photo_warnings
from pets.regions import closer_box, has_small_subject
from pets.review.decision import review_reason
from runtime.bundle import BundleError
from runtime.clock import Clock
from runtime.errors import SessionError
from schemas.pets.answer import BoxAnswer, Breed, HeatmapAnswer, Prediction
from schemas.pets.manifest import PetsManifest
from schemas.pets.request import PetRequest
from schemas.problems import FieldError, Problem, abbreviate

logger = logging.getLogger(__name__)

DIGITS = 6  # decimals of a grid's values in an answer


@dataclass(frozen=True)
class Query:
    """A prepared request: its photo is decoded and its classes are looked up.

    Attributes:
        request: the request.
        photo: the decoded photo.
        pixels: ``[size, size, 3]``, the network's input.
        box: place of the network's input on the photo.
        target: index of the class to explain, or ``Target.PREDICTED``.
        rival: index of the class to compare it with, or a ``Rival``.
    """

    request: PetRequest
    photo: Photo
    pixels: NDArray[np.uint8]
    box: Box
    target: int
    rival: int


class View(NamedTuple):
    """The part of a photo that the network saw for the answer.

    Attributes:
        box: place of the part on the photo.
        closer: True if a closer look found the part; False for the middle of the photo.
        small_subject: True if the animal is likely to be small in the part.
    """

    box: Box
    closer: bool
    small_subject: bool


class Classifier:
    """Predictor of one pets model. Threads may share it, because only its clock changes after construction.

    Attributes:
        precision: number format that the network computes in.
        review_share: share of the accepted photos that go to review at random, 0 to 1; see `pets.review.decision`.
        max_pixels: number of pixels of a photo that may be decoded; see `open_photo`.
    """

    def __init__(
        self,
        manifest: PetsManifest,
        run: Run,
        *,
        precision: Precision = "single",
        review_share: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        """Initialize the predictor.

        Args:
            manifest: the bundle's manifest.
            run: function that runs the network.
            precision: number format that it computes in.
            review_share: ``review_share`` instead of the manifest's.
            max_pixels: number of pixels of a photo that may be decoded.

        Raises:
            ValueError: if the share is not from 0 to 1.
        """
        self.manifest, self.run, self.precision, self.max_pixels = manifest, run, precision, max_pixels
        self.review_share = manifest.review_share if review_share is None else review_share
        if not 0 <= self.review_share <= 1:
            raise ValueError(f"review_share must be from 0 to 1, not {self.review_share:g}")
        self.name, self.version, self.clock = manifest.name, manifest.version, Clock()
        self.classes = [breed.name for breed in manifest.classes]
        self._class_names = ClassNames(self.classes)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str = "cpu",
        threads: int = 1,
        exact: bool = False,
        review_share: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> Classifier:
        """Load a bundle, and verify its hashes and its golden pictures on this machine and device.

        On a CPU with integer dot products, the network runs in 8 bits if the bundle has such a graph. On a GPU it runs
        in half precision. Where the golden pictures do not hold, it runs in single precision.

        Args:
            folder: the bundle.
            device: ``cpu`` or ``cuda:N``.
            threads: number of threads within one operator on the CPU.
            exact: run the network in single precision in any case.
            review_share: share of the accepted photos that go to review at random, 0 to 1, instead of the manifest's.
            max_pixels: number of pixels of a photo that may be decoded; see `open_photo`.

        Raises:
            BundleError: if the bundle is damaged, or this machine computes other outputs for its golden pictures.
            SessionError: if the network can't run on the device.
            ValueError: if the share is not from 0 to 1.
        """
        bundle = bundles.load(folder)
        create = partial[Classifier](cls, bundle.manifest, review_share=review_share, max_pixels=max_pixels)
        *attempts, last = networks(folder, bundle.manifest, device, threads, exact=exact)
        for precision, make_network in attempts:
            try:
                classifier = create(make_network(), precision=precision)
                verify(classifier, bundle)
            except (BundleError, SessionError) as error:
                logger.warning("%s; the network is tried in a slower way", error)
            else:
                return classifier
        precision, make_network = last
        classifier = create(make_network(), precision=precision)
        verify(classifier, bundle)
        return classifier

    def crop(self, photo: Photo) -> tuple[NDArray[np.uint8], Box]:
        """Return the network's input from a photo, ``[size, size, 3]``, and its place on the photo."""
        return crop(photo, self.manifest.image.size, self.manifest.image.crop_pct)

    def run_network(
        self,
        pixels: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        target: Sequence[int] | None = None,
        rival: Sequence[int] | None = None,
    ) -> Output:
        """Run the network.

        Args:
            pixels: ``[photo, size, size, 3]``, from ``crop``.
            target: class to explain for each photo: an index or a ``Target``. Default: ``Target.PREDICTED``.
            rival: class to compare it with for each photo: an index or a ``Rival``. Default: ``Rival.NONE``.
        """
        n_photos = len(pixels)
        return self.run(
            np.asarray(pixels),
            np.asarray([Target.PREDICTED] * n_photos if target is None else target, np.int64),
            np.asarray([Rival.NONE] * n_photos if rival is None else rival, np.int64),
        )

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return calibrated probabilities of logits, ``[..., class]``: softmax of ``logits / temperature``."""
        scaled = logits.astype(np.float64) / self.manifest.temperature
        exps = np.exp(scaled - scaled.max(-1, keepdims=True))
        return np.asarray(exps / exps.sum(-1, keepdims=True))

    def known(self, logits: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Return True for photos that are like the training photos, ``[...]``, from their logits, ``[..., class]``.

        The largest logit separates photos of unknown things better than the probability does (Hendrycks et al.,
        "Scaling Out-of-Distribution Detection for Real-World Settings", 2022). Without a threshold, all photos are
        known.
        """
        threshold = self.manifest.known_threshold
        return np.asarray(logits.max(-1) >= (-np.inf if threshold is None else threshold))

    def prepare(self, request: PetRequest) -> Query:
        """Decode a request's photo and look up its classes.

        Raises:
            ProblemError: if the photo can't be decoded, or a class is not one of the model's.
        """
        target: int = Target.PREDICTED if request.class_ is None else self._class_names.index("class", request.class_)
        rival: int = Rival.NONE
        if request.heatmap == "contrast":
            rival = Rival.RUNNER_UP if request.versus is None else self._class_names.index("versus", request.versus)
        self.clock.lap("parse")
        photo = open_photo(request.image, self.max_pixels)
        pixels, box = self.crop(photo)
        self.clock.lap("features")
        return Query(request, photo, pixels, box, target, rival)

    def predict(self, queries: Sequence[Query]) -> list[Prediction | Problem]:
        """Answer prepared requests with one run of the network, or two if a closer look is requested.

        Returns:
            A prediction for each request, in order. A contrast of the predicted class with itself gets a problem: only
            now is it known which class was predicted.
        """
        views, output = self._look(queries)
        probabilities = self.probabilities(output.logits)
        answers = [
            self._reply(query, views[place], probabilities[place], output, place) for place, query in enumerate(queries)
        ]
        if any(query.request.heatmap != "none" for query in queries):
            self.clock.lap("explain")
        return answers

    def _look(self, queries: Sequence[Query]) -> tuple[list[View], Output]:
        """Run the network on photos, and run it again where a closer look is requested and shows more.

        Returns:
            The view of each photo, and the output for it.
        """
        # a closer look starts with the evidence for the predicted class
        target: list[int] = [Target.PREDICTED if query.request.look == "closer" else query.target for query in queries]
        rival: list[int] = [Rival.NONE if query.request.look == "closer" else query.rival for query in queries]
        output = self.run_network([query.pixels for query in queries], target, rival)
        self.clock.lap("inference")
        predicted = (output.target == output.logits.argmax(-1)) & (output.rival == Rival.NONE)
        views: list[View] = []
        again: dict[int, NDArray[np.uint8]] = {}  # pixels by the photo's place
        for place, query in enumerate(queries):
            grid, photo, look = output.gradcam[place], query.photo, query.request.look
            found = closer_box(grid, query.box, photo.width, photo.height) if look == "closer" else None
            if found is None:
                views.append(View(query.box, False, bool(predicted[place]) and has_small_subject(grid)))
            else:
                views.append(View(found, True, False))
                again[place] = cut(photo, found, self.manifest.image.size)
            if look == "closer" and (query.target, query.rival) != (Target.PREDICTED, Rival.NONE):
                again.setdefault(place, query.pixels)
        self.clock.lap("features")
        if again:
            places = [*again]
            second = self.run_network(
                [*again.values()],
                [queries[place].target for place in places],
                [queries[place].rival for place in places],
            )
            output = output.with_rows(places, second)
            self.clock.lap("inference")
        return views, output

    def _reply(
        self, query: Query, view: View, probabilities: NDArray[np.float64], output: Output, place: int
    ) -> Prediction | Problem:
        request = query.request
        if request.heatmap == "contrast" and output.target[place] == output.rival[place]:
            name = self.classes[output.target[place]]
            detail = f"is {name}, the breed that was found; name another one, or the class to explain"
            error = FieldError(path="/versus", value=abbreviate(request.versus), detail=detail)
            return Problem.of("invalid-request", f"{error.path}: {detail} (sent: {error.value})", [error])
        best = np.argsort(-probabilities, kind="stable")[: request.top_k]
        top = [self._breed(int(index), float(probabilities[index])) for index in best]
        known = bool(self.known(output.logits[place]))
        reason = review_reason(
            request.image,
            known=known,
            probability=top[0].probability,
            threshold=self.manifest.threshold,
            review_share=self.review_share,
        )
        heatmap = None if request.heatmap == "none" else self._heatmap(query, view, output, place)
        return Prediction(
            breed=top[0].breed,
            species=top[0].species,
            probability=top[0].probability,
            top=top,
            known=known,
            decision="accept" if reason is None else "review",
            review_reason=reason,
            look="closer" if view.closer else "whole",
            box=BoxAnswer(*view.box),
            heatmap=heatmap,
            warnings=photo_warnings(
                query.photo,
                self.manifest.image,
                known=known,
                small_subject=view.small_subject,
                closer=view.box if view.closer else None,
            ),
            model=self.manifest.name,
            version=self.manifest.version,
        )

    def _heatmap(self, query: Query, view: View, output: Output, place: int) -> HeatmapAnswer:
        method = query.request.heatmap
        assert method != "none"
        explains_class = method != "activation"
        grid = (output.gradcam if explains_class else output.activation)[place]
        target, rival = int(output.target[place]), int(output.rival[place])
        overlay_png = None
        if query.request.overlay == "png":
            overlay_png = b64encode(overlay(query.photo, grid, view.box, low=0 if explains_class else None)).decode()
        return HeatmapAnswer(
            method=method,
            class_=self.classes[target] if explains_class else None,
            versus=self.classes[rival] if method == "contrast" else None,
            grid=np.round(grid.astype(np.float64), DIGITS).tolist(),
            min=round(float(grid.min()), DIGITS),
            max=round(float(grid.max()), DIGITS),
            all_zero=not grid.any(),
            box=BoxAnswer(*view.box),
            width=query.photo.width,
            height=query.photo.height,
            overlay=overlay_png,
        )

    def _breed(self, index: int, probability: float) -> Breed:
        breed = self.manifest.classes[index]
        return Breed(breed.name, breed.species, probability)
