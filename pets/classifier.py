"""Photos in, breeds and heatmaps out: what the handler, the commands and the evaluation all call."""

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
from runtime.bundle import NETWORK, BundleError
from runtime.clock import Clock
from runtime.session import open_session
from schemas.pets.answer import BoxAnswer, Breed, HeatmapAnswer, PetWarning, Prediction
from schemas.pets.manifest import PetsManifest
from schemas.pets.request import PetRequest, class_key
from schemas.problems import FieldError, Problem, ProblemError, abbreviate

GOLDEN_TOLERANCE = 2e-3  # of the largest logit, and of the maps' largest value; another CPU or a GPU differs by less
ASPECT = 3.0
DIGITS = 6  # of a grid's values in an answer


class Output(NamedTuple):
    """What the network says of some photos.

    Attributes:
        logits: ``[photo, class]``, before the temperature.
        activation: ``[photo, row, column]``.
        gradcam: the same, for ``target`` or for the difference to ``rival``.
        target: ``[photo]``, the class that ``gradcam`` explains.
        rival: ``[photo]``, the class that it is told from, or Rival.NONE.
    """

    logits: NDArray[np.float32]
    activation: NDArray[np.float32]
    gradcam: NDArray[np.float32]
    target: NDArray[np.int64]
    rival: NDArray[np.int64]


Run = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]], Output]


@dataclass(frozen=True)
class Query:
    """A request whose photo is decoded and whose classes are known.

    Attributes:
        request: what was asked.
        photo: whole and upright.
        pixels: ``[size, size, 3]``, what the network sees of it.
        box: where that is on the photo.
        target: the class to explain, or Target.PREDICTED.
        rival: the class to tell it from, Rival.RUNNER_UP or Rival.NONE.
    """

    request: PetRequest
    photo: Photo
    pixels: NDArray[np.uint8]
    box: Box
    target: int
    rival: int


class Classifier:
    """Breeds by one model. Nothing but its clock changes after it is made, so threads may share it."""

    def __init__(self, manifest: PetsManifest, run: Run) -> None:
        self.manifest, self.run = manifest, run
        self.name, self.version, self.clock = manifest.name, manifest.version, Clock()
        self.classes = [each.name for each in manifest.classes]
        self._numbers = {class_key(name): number for number, name in enumerate(self.classes)}

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int = 1) -> Classifier:
        """The classifier of a bundle, verified: its hashes, and its golden pictures on this machine and device.

        Args:
            folder: the bundle.
            device: ``cpu`` or ``cuda:N``.
            threads: threads within one operator on the CPU.

        Raises:
            BundleError: if the bundle is damaged, or its golden pictures come out otherwise.
            SessionError: if the network can't be run on the device.
        """
        bundle = bundles.load(folder)
        classifier = cls(bundle.manifest, _onnx(folder, device, threads))
        classifier.verify(bundle)
        return classifier

    def verify(self, bundle: Bundle) -> None:
        """Classify the bundle's golden pictures again.

        Raises:
            BundleError: if what comes out is not what training computed.
        """
        names = ("logits", "activation", "gradcam")
        # of all pictures, since a Grad-CAM that is blank in one may hold a trace elsewhere
        largest = {name: max(np.abs(row[name]).max() for row in bundle.golden) for name in names}
        for number, row in enumerate(bundle.golden):
            # the class is named, since elsewhere the first of two close ones may be the other
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
        """What the network sees of a photo, ``[size, size, 3]``, and where that is on it."""
        return crop(photo, self.manifest.image.size, self.manifest.image.crop_pct)

    def run_network(
        self,
        pixels: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        target: Sequence[int] | None = None,
        rival: Sequence[int] | None = None,
    ) -> Output:
        """Run the network.

        Args:
            pixels: ``[photo, size, size, 3]``, as ``crop`` gives each.
            target: a class's number or Target.PREDICTED for each; all Target.PREDICTED if left out.
            rival: a class's number, Rival.RUNNER_UP or Rival.NONE for each; all Rival.NONE if left out.
        """
        image = self.manifest.image
        many = len(pixels)
        return self.run(
            normalise(np.asarray(pixels), image.mean, image.std),
            np.asarray([Target.PREDICTED] * many if target is None else target, np.int64),
            np.asarray([Rival.NONE] * many if rival is None else rival, np.int64),
        )

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities of logits, ``[..., class]``."""
        scaled = logits.astype(np.float64) / self.manifest.temperature
        exps = np.exp(scaled - scaled.max(-1, keepdims=True))
        return np.asarray(exps / exps.sum(-1, keepdims=True))

    def prepare(self, request: PetRequest) -> Query:
        """Decode a request's photo and look its classes up.

        Raises:
            ProblemError: if the photo can't be decoded, or a class is not one of the model's.
        """
        target: int = Target.PREDICTED if request.class_ is None else self._number("class", request.class_)
        rival: int = Rival.NONE
        if request.heatmap == "contrast":
            rival = Rival.RUNNER_UP if request.versus is None else self._number("versus", request.versus)
        self.clock.lap("parse")
        photo = open_photo(request.image)
        pixels, box = self.crop(photo)
        self.clock.lap("features")
        return Query(request, photo, pixels, box, target, rival)

    def predict(self, queries: Sequence[Query]) -> list[Prediction | Problem]:
        """Answer requests, all in one run of the network.

        Returns:
            A prediction for each, in order; a problem for a contrast of a class with itself, which shows only now if
            the class is the predicted one.
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
        top = [self._breed(int(number), float(probabilities[number])) for number in best]
        heatmap = None if request.heatmap == "none" else self._heatmap(query, output, place)
        return Prediction(
            breed=top[0].breed,
            species=top[0].species,
            probability=top[0].probability,
            top=top,
            decision="accept" if top[0].probability >= self.manifest.threshold else "review",
            heatmap=heatmap,
            warnings=self._warnings(query.photo),
            model=self.manifest.name,
            version=self.manifest.version,
        )

    def _heatmap(self, query: Query, output: Output, place: int) -> HeatmapAnswer:
        method = query.request.heatmap
        assert method != "none"
        of_class = method != "activation"
        grid = (output.gradcam if of_class else output.activation)[place]
        target, rival = int(output.target[place]), int(output.rival[place])
        painted = None
        if query.request.overlay == "png":
            painted = b64encode(overlay(query.photo, grid, query.box, low=0 if of_class else None)).decode()
        return HeatmapAnswer(
            method=method,
            class_=self.classes[target] if of_class else None,
            versus=self.classes[rival] if method == "contrast" else None,
            grid=np.round(grid.astype(np.float64), DIGITS).tolist(),
            min=round(float(grid.min()), DIGITS),
            max=round(float(grid.max()), DIGITS),
            all_zero=not grid.any(),
            box=BoxAnswer(*query.box),
            width=query.photo.width,
            height=query.photo.height,
            overlay=painted,
        )

    def _breed(self, number: int, probability: float) -> Breed:
        each = self.manifest.classes[number]
        return Breed(each.name, each.species, probability)

    def _warnings(self, photo: Photo) -> list[PetWarning]:
        """What makes the answer doubtful."""
        short, long = sorted((photo.width, photo.height))
        size, found = self.manifest.image.size, []
        if 2 * short < size:
            detail = f"the photo has {photo.width} x {photo.height} pixels; below {size // 2} breeds are hard to tell"
            found.append(PetWarning("small_image", detail))
        if long > ASPECT * short:
            seen = short / long * self.manifest.image.crop_pct
            detail = f"only the middle of the photo is looked at, {seen:.0%} of its longer side; cut it closer"
            found.append(PetWarning("unusual_aspect", detail))
        return found

    def _number(self, field: str, name: str) -> int:
        """A class's number."""
        number = self._numbers.get(class_key(name))
        if number is not None:
            return number
        close = difflib.get_close_matches(class_key(name), self._numbers, n=3, cutoff=0.5)
        near = f"; is it {' or '.join(self.classes[self._numbers[key]] for key in close)}?" if close else ""
        error = FieldError(
            path=f"/{field}", value=abbreviate(name), detail=f"not one of the model's {len(self.classes)} classes{near}"
        )
        raise ProblemError(Problem.of("unknown-class", f"{error.path}: {error.detail} (sent: {error.value})", [error]))


def _onnx(folder: Path, device: str, threads: int) -> Run:
    """The bundle's network."""
    session = open_session(folder / NETWORK, device, threads=threads)

    def run(images: NDArray[np.float32], target: NDArray[np.int64], rival: NDArray[np.int64]) -> Output:
        return Output(*session.run(OUTPUTS, dict(zip(INPUTS, (images, target, rival), strict=True))))

    return run
