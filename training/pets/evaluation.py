"""Evaluation of a breed model on photos that it was not trained on: accuracy and calibration, by breed and species."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pets.classifier import Classifier
from runtime.errors import UserError
from runtime.shares import Interval, wilson
from schemas.pets.request import class_key
from training.pets.calibration import (
    Curve,
    abstention,
    choose_threshold,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    nll,
    softmax,
)
from training.pets.data.batches import crops
from training.pets.data.photos import PetData
from training.pets.metrics import (
    Floats,
    Ints,
    accuracy,
    confusion_matrix,
    mean_over_classes,
    most_confused,
    top_k_accuracy,
)
from training.pets.novelty import separation

__all__ = [
    "BreedsError",
    "Evaluation",
    "Mistake",
    "Share",
    "choose_threshold",
    "evaluate",
    "fit_temperature",
    "most_confused",
]

TOP = 5
_BATCH = 16


class BreedsError(UserError):
    """A bundle can't be evaluated on these photos; the message has the reason."""


class Share(NamedTuple):
    """Number of photos in a group, and number of right photos among them."""

    name: str
    photos: int
    right: int

    @property
    def accuracy(self) -> float:
        """Share of right photos; NaN without photos."""
        return self.right / self.photos if self.photos else float("nan")

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.right, self.photos)


class Mistake(NamedTuple):
    """A photo whose predicted breed is wrong.

    Attributes:
        photo: index of the photo.
        predicted: predicted breed.
        predicted_probability: its calibrated probability.
        actual: true breed.
        actual_probability: its calibrated probability.
        loss: ``-ln(actual_probability)``.
    """

    photo: int
    predicted: str
    predicted_probability: float
    actual: str
    actual_probability: float
    loss: float


@dataclass(frozen=True)
class Evaluation:
    """Outputs of a network for labelled photos.

    Attributes:
        logits: outputs of the network before the temperature, ``[photo, class]``.
        labels: indices of the true classes, ``[photo]``.
        classes: name and species (``"cat"``, ``"dog"`` or None) of each class.
        files: paths of the photos, ``[photo]``.
        temperature: divisor of the logits before the softmax.
        threshold: lowest confidence of an accepted answer.
        known_threshold: lowest largest logit of a known photo; None if every photo counts as known.
        unlike: largest logit of each picture that shows none of the breeds, ``[picture]``.

    Raises:
        ValueError: if there are no photos, the shapes don't fit together, a logit is NaN or infinite, or a label is not
            the index of a class.
    """

    logits: NDArray[np.float32]
    labels: Ints
    classes: Sequence[tuple[str, str | None]]
    files: Sequence[Path]
    temperature: float
    threshold: float
    known_threshold: float | None = None
    unlike: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        photos, count = len(self.labels), len(self.classes)
        if not photos:
            raise ValueError("there are no photos to evaluate")
        if self.logits.shape != (photos, count) or len(self.files) != photos:
            raise ValueError(
                f"logits have the shape {self.logits.shape}; there are {photos} labels, {len(self.files)} files and "
                f"{count} classes"
            )
        if not np.isfinite(self.logits).all():
            raise ValueError("a logit is NaN or infinite")
        if self.labels.min() < 0 or self.labels.max() >= count:
            raise ValueError(f"labels are {self.labels.min()} to {self.labels.max()}, indices of {count} classes")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def probabilities(self) -> Floats:
        """Calibrated probabilities, ``[photo, class]``."""
        return softmax(self.logits, self.temperature)

    @cached_property
    def predicted(self) -> Ints:
        """Class with the highest logit, ``[photo]``."""
        predicted: Ints = self.logits.argmax(axis=1).astype(np.int64)
        return predicted

    @cached_property
    def confusion(self) -> Ints:
        """Number of photos of the row's class that were predicted as the column's, ``[class, class]``."""
        return confusion_matrix(self.labels, self.predicted, len(self.classes))

    @property
    def all(self) -> Share:
        """Accuracy over all photos."""
        return Share("all", len(self), int(self.confusion.trace()))

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """True for photos that count as like the training photos, ``[photo]``."""
        limit = -np.inf if self.known_threshold is None else self.known_threshold
        return np.asarray(self.logits.max(axis=1) >= limit)

    @property
    def accepted(self) -> Share:
        """Accuracy over the photos that are accepted: known, and with a confidence at the threshold or above."""
        return self._share("accepted", self.known & (self.probabilities.max(axis=1) >= self.threshold))

    def by_breed(self) -> list[Share]:
        """Return the accuracy of each class that has photos, in the classes' order."""
        photos, right = self.confusion.sum(axis=1), self.confusion.diagonal()
        return [
            Share(name, int(n), int(r)) for (name, _), n, r in zip(self.classes, photos, right, strict=True) if n > 0
        ]

    def by_species(self) -> list[Share]:
        """Return the accuracy of the *breed* over cats and over dogs, where the species is known."""
        return [
            self._share(kind, self._species[self.labels] == kind)
            for kind in sorted(set(self._species[self.labels]) - {""})
        ]

    def species(self) -> Share | None:
        """Return the accuracy of the predicted breed's *species*; None if no photo's species is known."""
        truth = self._species[self.labels]
        known = truth != ""
        if not known.any():
            return None
        return Share("species", int(known.sum()), int((self._species[self.predicted] == truth)[known].sum()))

    def without_photos(self) -> list[str]:
        """Return the classes without photos, about which nothing is known."""
        return [name for (name, _), n in zip(self.classes, self.confusion.sum(axis=1), strict=True) if not n]

    def mistakes(self) -> list[Mistake]:
        """Return all wrong answers, the highest loss first."""
        loss = -log_softmax(self.logits, self.temperature)[np.arange(len(self)), self.labels]
        wrong = np.flatnonzero(self.predicted != self.labels)
        return [
            Mistake(
                int(i),
                self.classes[self.predicted[i]][0],
                float(self.probabilities[i, self.predicted[i]]),
                self.classes[self.labels[i]][0],
                float(self.probabilities[i, self.labels[i]]),
                float(loss[i]),
            )
            for i in wrong[np.argsort(-loss[wrong], kind="stable")]
        ]

    def abstention(self) -> Curve:
        """Return the accepted and right photos at every threshold."""
        return abstention(self.probabilities, self.labels)

    def metrics(self) -> dict[str, Any]:
        """Return the figures for a bundle's manifest as JSON values: shares are 0 to 1, intervals 95 %."""
        mean, mean_interval = mean_over_classes(self.confusion)
        accepted, species, before = self.accepted, self.species(), softmax(self.logits)
        return {
            "photos": len(self),
            "accuracy": accuracy(self.labels, self.predicted),
            "accuracy_interval": list(self.all.interval),
            "breeds": len(self.by_breed()),
            "mean_over_breeds": mean,
            "mean_over_breeds_interval": list(mean_interval),
            f"top_{TOP}": top_k_accuracy(self.labels, self.logits, TOP),
            "nll_uncalibrated": nll(self.logits, self.labels),
            "nll": nll(self.logits, self.labels, self.temperature),
            "ece_uncalibrated": expected_calibration_error(before, self.labels),
            "ece": expected_calibration_error(self.probabilities, self.labels),
            "accepted": accepted.photos / len(self),
            "accepted_accuracy": accepted.accuracy if accepted.photos else None,
            "accepted_accuracy_interval": list(accepted.interval),
            "unlike_training": float(1 - self.known.mean()),
            **({} if self.unlike is None else {"unlike_pictures": self._unlike_figures(self.unlike)}),
            "species_accuracy": species.accuracy if species else None,
            "by_species": {share.name: _figures(share) for share in self.by_species()},
            "by_breed": {share.name: _figures(share) for share in self.by_breed()},
        }

    def _unlike_figures(self, scores: NDArray[np.float32]) -> dict[str, Any]:
        """Return how well the largest logit tells pictures that show none of the breeds from the photos."""
        result = separation(self.logits.max(axis=1), scores)
        noticed = int((scores < (-np.inf if self.known_threshold is None else self.known_threshold)).sum())
        return {
            "pictures": len(scores),
            "auroc": result.auroc,
            "auroc_interval": list(result.interval),
            "noticed": noticed / len(scores),
            "noticed_interval": list(wilson(noticed, len(scores))),
        }

    @cached_property
    def _species(self) -> NDArray[np.str_]:
        """Species of each class, ``[class]``; empty where unknown."""
        return np.array([species or "" for _, species in self.classes])

    def _share(self, name: str, chosen: NDArray[np.bool_]) -> Share:
        return Share(name, int(chosen.sum()), int((self.predicted == self.labels)[chosen].sum()))


def evaluate(classifier: Classifier, data: PetData) -> Evaluation:
    """Run a bundle on the photos of the validation part.

    Args:
        classifier: classifier of the bundle.
        data: photos; the bundle must know their breeds.

    Raises:
        PhotosError: if a photo can't be read.
        BreedsError: if the bundle does not know a breed, or the validation part is empty.
    """
    names = {class_key(name): number for number, name in enumerate(classifier.classes)}
    unknown = [breed.name for breed in data.classes if class_key(breed.name) not in names]
    if unknown:
        raise BreedsError(
            f"{data.folder}: the bundle does not know {', '.join(unknown)}; evaluate it on breeds that it knows"
        )
    if not data.valid.files:
        raise BreedsError(f"{data.folder} has no photo to evaluate the bundle on")
    logits = _logits(classifier, data.valid.files)
    codes = np.array([names[class_key(breed.name)] for breed in data.classes])
    return Evaluation(
        logits,
        codes[data.valid.labels],
        [(breed.name, breed.species) for breed in classifier.manifest.classes],
        data.valid.files,
        classifier.manifest.temperature,
        classifier.manifest.threshold,
        classifier.manifest.known_threshold,
        _logits(classifier, data.unlike).max(axis=1) if data.unlike else None,
    )


def _logits(classifier: Classifier, files: Sequence[Path]) -> NDArray[np.float32]:
    """Return the logits of photos as served, ``[photo, class]``."""
    image = classifier.manifest.image
    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    return np.concatenate(
        [classifier.run_network(crops(batch, image.size, image.crop_pct)).logits for batch in batches]
    )


def _figures(share: Share) -> dict[str, int]:
    return {"photos": share.photos, "right": share.right}
