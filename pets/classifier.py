"""The pets predictor: photos in, breeds and heatmaps out.

TorchServe's handler, the commands and the evaluation all call the same `Classifier`.
"""

from __future__ import annotations

import difflib
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pets import bundle as bundles
from pets.bundle import Bundle
from pets.graph import INPUTS, OUTPUTS, Rival, Target
from pets.heatmap import overlay
from pets.images import Box, Photo, crop, normalise, open_photo
from pets.review import review_reason
from runtime.bundle import NETWORK, BundleError
from runtime.clock import Clock
from runtime.session import open_session
from schemas.pets.answer import BoxAnswer, Breed, HeatmapAnswer, PetWarning, Prediction
from schemas.pets.manifest import PetsManifest
from schemas.pets.request import PetRequest, class_key
from schemas.problems import FieldError, Problem, ProblemError, abbreviate

GOLDEN_TOLERANCE = 2e-3  # share of the largest logit or map value; another CPU or a GPU differs by less
ASPECT = 3.0  # longer side by shorter side; beyond it the answer has a warning
DIGITS = 6  # decimals of a grid's values in an answer
_UNLIKE_TRAINING = (
    "the photo is unlike all training photos: it may show no pet, another animal or another breed; "
    "the breed is the closest one, not an answer"
)


class Output(NamedTuple):
    """The network's output for some photos.

    Attributes:
        logits: ``[photo, class]``, before division by the temperature.
        activation: ``[photo, row, column]``, the mean of the last feature maps.
        gradcam: ``[photo, row, column]``, Grad-CAM for the target's logit, or for its difference to the rival's.
        target: ``[photo]``, index of the explained class.
        rival: ``[photo]``, index of the class that the target is compared with, or ``Rival.NONE``.
    """

    logits: NDArray[np.float32]
    activation: NDArray[np.float32]
    gradcam: NDArray[np.float32]
    target: NDArray[np.int64]
    rival: NDArray[np.int64]


Run = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]], Output]


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


class Classifier:
    """Predictor of one pets model. Threads may share it, because only its clock changes after construction.

    Attributes:
        review_share: share of the accepted photos that go to review at random, 0 to 1; see `pets.review`.
    """

    def __init__(self, manifest: PetsManifest, run: Run, *, review_share: float | None = None) -> None:
        """Initialize the predictor.

        Args:
            manifest: the bundle's manifest.
            run: function that runs the network.
            review_share: ``review_share`` instead of the manifest's.

        Raises:
            ValueError: if the share is not from 0 to 1.
        """
        self.manifest, self.run = manifest, run
        self.review_share = manifest.review_share if review_share is None else review_share
        if not 0 <= self.review_share <= 1:
            raise ValueError(f"review_share must be from 0 to 1, not {self.review_share:g}")
        self.name, self.version, self.clock = manifest.name, manifest.version, Clock()
        self.classes = [breed.name for breed in manifest.classes]
        self._class_indices = {class_key(name): index for index, name in enumerate(self.classes)}

    @classmethod
    def load(
        cls, folder: Path, *, device: str = "cpu", threads: int = 1, review_share: float | None = None
    ) -> Classifier:
        """Load a bundle, and verify its hashes and its golden pictures on this machine and device.

        Args:
            folder: the bundle.
            device: ``cpu`` or ``cuda:N``.
            threads: number of threads within one operator on the CPU.
            review_share: share of the accepted photos that go to review at random, 0 to 1, instead of the manifest's.

        Raises:
            BundleError: if the bundle is damaged, or this machine computes other outputs for its golden pictures.
            SessionError: if the network can't run on the device.
            ValueError: if the share is not from 0 to 1.
        """
        bundle = bundles.load(folder)
        classifier = cls(bundle.manifest, _onnx_network(folder, device, threads), review_share=review_share)
        classifier.verify(bundle)
        return classifier

    def verify(self, bundle: Bundle) -> None:
        """Run the network on the bundle's golden pictures and compare with the outputs of training.

        Raises:
            BundleError: if an output differs.
        """
        names = ("logits", "activation", "gradcam")
        # over all pictures, because a Grad-CAM that is all zero in training may have a trace of rounding here
        largest = {name: max(np.abs(row[name]).max() for row in bundle.golden) for name in names}
        for number, row in enumerate(bundle.golden):
            # the class is given, because of two close logits the other may be larger on this machine
            output = self.run_network(
                [self.crop(open_photo(b64decode(row["png"])))[0]], [int(np.argmax(row["logits"]))]
            )
            for name in names:
                was, now = np.asarray(row[name]), getattr(output, name)[0]
                if was.shape != now.shape or not np.abs(now - was).max() <= GOLDEN_TOLERANCE * largest[name]:
                    raise BundleError(
                        f"{bundle.folder}: the {name} of golden picture {number} are not what training computed; "
                        "do not serve it, export it again"
                    )

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
        image = self.manifest.image
        n_photos = len(pixels)
        return self.run(
            normalise(np.asarray(pixels), image.mean, image.std),
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
        target: int = Target.PREDICTED if request.class_ is None else self._class_index("class", request.class_)
        rival: int = Rival.NONE
        if request.heatmap == "contrast":
            rival = Rival.RUNNER_UP if request.versus is None else self._class_index("versus", request.versus)
        self.clock.lap("parse")
        photo = open_photo(request.image)
        pixels, box = self.crop(photo)
        self.clock.lap("features")
        return Query(request, photo, pixels, box, target, rival)

    def predict(self, queries: Sequence[Query]) -> list[Prediction | Problem]:
        """Answer prepared requests with one run of the network.

        Returns:
            A prediction for each request, in order. A contrast of the predicted class with itself gets a problem: only
            now is it known which class was predicted.
        """
        output = self.run_network(
            [query.pixels for query in queries],
            [query.target for query in queries],
            [query.rival for query in queries],
        )
        self.clock.lap("inference")
        probabilities = self.probabilities(output.logits)
        answers = [self._reply(query, probabilities[place], output, place) for place, query in enumerate(queries)]
        if any(query.request.heatmap != "none" for query in queries):
            self.clock.lap("explain")
        return answers

    def _reply(
        self, query: Query, probabilities: NDArray[np.float64], output: Output, place: int
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
        heatmap = None if request.heatmap == "none" else self._heatmap(query, output, place)
        return Prediction(
            breed=top[0].breed,
            species=top[0].species,
            probability=top[0].probability,
            top=top,
            known=known,
            decision="accept" if reason is None else "review",
            review_reason=reason,
            heatmap=heatmap,
            warnings=self._warnings(query.photo, known),
            model=self.manifest.name,
            version=self.manifest.version,
        )

    def _heatmap(self, query: Query, output: Output, place: int) -> HeatmapAnswer:
        method = query.request.heatmap
        assert method != "none"
        explains_class = method != "activation"
        grid = (output.gradcam if explains_class else output.activation)[place]
        target, rival = int(output.target[place]), int(output.rival[place])
        overlay_png = None
        if query.request.overlay == "png":
            overlay_png = b64encode(overlay(query.photo, grid, query.box, low=0 if explains_class else None)).decode()
        return HeatmapAnswer(
            method=method,
            class_=self.classes[target] if explains_class else None,
            versus=self.classes[rival] if method == "contrast" else None,
            grid=np.round(grid.astype(np.float64), DIGITS).tolist(),
            min=round(float(grid.min()), DIGITS),
            max=round(float(grid.max()), DIGITS),
            all_zero=not grid.any(),
            box=BoxAnswer(*query.box),
            width=query.photo.width,
            height=query.photo.height,
            overlay=overlay_png,
        )

    def _breed(self, index: int, probability: float) -> Breed:
        breed = self.manifest.classes[index]
        return Breed(breed.name, breed.species, probability)

    def _warnings(self, photo: Photo, known: bool) -> list[PetWarning]:
        """Return reasons to be careful with the answer."""
        short, long = sorted((photo.width, photo.height))
        size = self.manifest.image.size
        warnings = [] if known else [PetWarning("unlike_training", _UNLIKE_TRAINING)]
        if 2 * short < size:
            detail = f"the photo has {photo.width} x {photo.height} pixels; below {size // 2} breeds are hard to tell"
            warnings.append(PetWarning("small_image", detail))
        if long > ASPECT * short:
            share = short / long * self.manifest.image.crop_pct
            detail = f"the network sees only the middle of the photo, {share:.0%} of its longer side; crop it closer"
            warnings.append(PetWarning("unusual_aspect", detail))
        return warnings

    def _class_index(self, field: str, name: str) -> int:
        """Return the index of a class named in a request's field."""
        index = self._class_indices.get(class_key(name))
        if index is not None:
            return index
        close = difflib.get_close_matches(class_key(name), self._class_indices, n=3, cutoff=0.5)
        near = f"; is it {' or '.join(self.classes[self._class_indices[key]] for key in close)}?" if close else ""
        error = FieldError(
            path=f"/{field}", value=abbreviate(name), detail=f"not one of the model's {len(self.classes)} classes{near}"
        )
        raise ProblemError(Problem.of("unknown-class", f"{error.path}: {error.detail} (sent: {error.value})", [error]))


def _onnx_network(folder: Path, device: str, threads: int) -> Run:
    """Return the bundle's exported network, running on a device."""
    session = open_session(folder / NETWORK, device, threads=threads)

    def run(images: NDArray[np.float32], target: NDArray[np.int64], rival: NDArray[np.int64]) -> Output:
        return Output(*session.run(OUTPUTS, dict(zip(INPUTS, (images, target, rival), strict=True))))

    return run
