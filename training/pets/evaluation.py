"""How good breeds are on photos that the model has not seen: over all, by breed, by species, and how sure it may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pets.classifier import Classifier
from runtime.errors import UserError
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
    Interval,
    Ints,
    accuracy,
    confusion_matrix,
    mean_over_classes,
    most_confused,
    top_k_accuracy,
    wilson,
)

__all__ = [
    "BreedEvaluation",
    "BreedsError",
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
    """Photos that a bundle can't be judged by; the message says why."""


class Share(NamedTuple):
    """How many photos of a kind there are, and of how many the breed is right."""

    name: str
    photos: int
    right: int

    @property
    def accuracy(self) -> float:
        """The share of right ones."""
        return self.right / self.photos if self.photos else float("nan")

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(self.right, self.photos)


class Mistake(NamedTuple):
    """A photo whose breed is wrong: its index, the breed said and the true one with their probabilities, and the loss.

    The loss is ``-ln`` of the true breed's calibrated probability.
    """

    photo: int
    said: str
    said_probability: float
    actual: str
    actual_probability: float
    loss: float


@dataclass(frozen=True)
class BreedEvaluation:
    """What the network said of photos beside what they show.

    Attributes:
        logits: ``[photo, class]``, as the network gives them, not divided by the temperature.
        labels: ``[photo]``, the true classes' indices.
        classes: name and species (``"cat"``, ``"dog"`` or None) of each class.
        files: ``[photo]``, where the photos are.
        temperature: by which the logits are divided before the softmax.
        threshold: the confidence from which an answer is accepted.

    Raises:
        ValueError: if there are no photos, the shapes don't fit together, a logit is NaN or infinite, or a label is no
            class's index.
    """

    logits: NDArray[np.float32]
    labels: Ints
    classes: Sequence[tuple[str, str | None]]
    files: Sequence[Path]
    temperature: float
    threshold: float

    def __post_init__(self) -> None:
        photos, count = len(self.labels), len(self.classes)
        if not photos:
            raise ValueError("no photos to judge by")
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
        """``[photo, class]``, calibrated."""
        return softmax(self.logits, self.temperature)

    @cached_property
    def said(self) -> Ints:
        """``[photo]``, the class with the highest logit."""
        said: Ints = self.logits.argmax(axis=1).astype(np.int64)
        return said

    @cached_property
    def confusion(self) -> Ints:
        """``[class, class]``: photos of the row's class that were said to be of the column's."""
        return confusion_matrix(self.labels, self.said, len(self.classes))

    @property
    def all(self) -> Share:
        """Over all photos."""
        return Share("all", len(self), int(self.confusion.trace()))

    @property
    def accepted(self) -> Share:
        """Over the photos that the threshold accepts."""
        return self._share("accepted", self.probabilities.max(axis=1) >= self.threshold)

    def by_breed(self) -> list[Share]:
        """Each class that has photos, in the classes' order."""
        photos, right = self.confusion.sum(axis=1), self.confusion.diagonal()
        return [
            Share(name, int(n), int(r)) for (name, _), n, r in zip(self.classes, photos, right, strict=True) if n > 0
        ]

    def by_species(self) -> list[Share]:
        """Cats and dogs, as far as the species is known: of how many the *breed* is right."""
        return [
            self._share(kind, self._species[self.labels] == kind)
            for kind in sorted(set(self._species[self.labels]) - {""})
        ]

    def species(self) -> Share | None:
        """Of how many photos the *species* of the breed said is right; None if no photo's species is known."""
        truth = self._species[self.labels]
        known = truth != ""
        if not known.any():
            return None
        return Share("species", int(known.sum()), int((self._species[self.said] == truth)[known].sum()))

    def without_photos(self) -> list[str]:
        """The classes of which there is no photo, so that nothing is known about them."""
        return [name for (name, _), n in zip(self.classes, self.confusion.sum(axis=1), strict=True) if not n]

    def mistakes(self) -> list[Mistake]:
        """All wrong answers, the highest loss first."""
        loss = -log_softmax(self.logits, self.temperature)[np.arange(len(self)), self.labels]
        wrong = np.flatnonzero(self.said != self.labels)
        return [
            Mistake(
                int(i),
                self.classes[self.said[i]][0],
                float(self.probabilities[i, self.said[i]]),
                self.classes[self.labels[i]][0],
                float(self.probabilities[i, self.labels[i]]),
                float(loss[i]),
            )
            for i in wrong[np.argsort(-loss[wrong], kind="stable")]
        ]

    def abstention(self) -> Curve:
        """What would be accepted, and be right, at every threshold."""
        return abstention(self.probabilities, self.labels)

    def metrics(self) -> dict[str, Any]:
        """The figures for a bundle's manifest: shares are 0 to 1, intervals 95 %, all of it JSON."""
        mean, mean_interval = mean_over_classes(self.confusion)
        accepted, species, before = self.accepted, self.species(), softmax(self.logits)
        return {
            "photos": len(self),
            "accuracy": accuracy(self.labels, self.said),
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
            "species_accuracy": species.accuracy if species else None,
            "by_species": {share.name: _figures(share) for share in self.by_species()},
            "by_breed": {share.name: _figures(share) for share in self.by_breed()},
        }

    @cached_property
    def _species(self) -> NDArray[np.str_]:
        """``[class]``, empty where it is not known."""
        return np.array([species or "" for _, species in self.classes])

    def _share(self, name: str, where: NDArray[np.bool_]) -> Share:
        return Share(name, int(where.sum()), int((self.said == self.labels)[where].sum()))


def evaluate(classifier: Classifier, data: PetData) -> BreedEvaluation:
    """What a bundle says of the photos that are kept to judge by.

    Args:
        classifier: the bundle's.
        data: photos; its breeds must be the bundle's, in any order.

    Raises:
        PhotosError: if a photo can't be read.
        BreedsError: if it has a breed that the bundle does not know, or no photo to judge by.
    """
    names = {class_key(name): number for number, name in enumerate(classifier.classes)}
    unknown = [each.name for each in data.classes if class_key(each.name) not in names]
    if unknown:
        raise BreedsError(
            f"{data.folder}: the bundle does not know {', '.join(unknown)}; judge it on breeds that it knows"
        )
    if not data.valid.files:
        raise BreedsError(f"{data.folder} has no photo to judge by")
    image = classifier.manifest.image
    pixels = crops(data.valid.files, image.size, image.crop_pct)
    logits = [classifier.run_network(pixels[at : at + _BATCH]).logits for at in range(0, len(pixels), _BATCH)]
    number_of = np.array([names[class_key(each.name)] for each in data.classes])
    return BreedEvaluation(
        np.concatenate(logits),
        number_of[data.valid.labels],
        [(each.name, each.species) for each in classifier.manifest.classes],
        data.valid.files,
        classifier.manifest.temperature,
        classifier.manifest.threshold,
    )


def _figures(share: Share) -> dict[str, int]:
    return {"photos": share.photos, "right": share.right}
