"""Compare linear heads on a frozen backbone, on balanced splits, under shift, and for breeds that are left out.

    python -m benchmarks.breeds.heads DATA [--backbones efficientnet_lite2 efficientnet_lite1+efficientnet_lite2]

DATA is a folder in the layout of the Oxford-IIIT Pet Dataset. Only its training photos are used. In each split, every
breed has the same number of photos to train on, and all others are judged, as they are and in every shift of
`training.pets.data.shifts`; with masks, the background is replaced too. Figures are accuracies averaged over breeds,
means over the splits with standard deviations. Half an hour for both backbones on two cores; prints Markdown tables.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

from benchmarks.markdown import table_row
from pets.images import Photo, crop, normalise
from training.pets.data.photos import PetData, load_photo, read_pets
from training.pets.data.shifts import SHIFTS, in_front, phone
from training.pets.fit import new_network
from training.pets.metrics import Ints
from training.pets.options import Options
from training.pets.probe.cross_validation import balanced_split, leave_classes_out
from training.pets.probe.features import PhotoFeatures
from training.pets.probe.head import Linear, class_prior, fit_discriminant, fit_logistic, mean_head

BATCH = 16
PLAIN, MIRRORED, PHONE, BACKGROUND = "plain", "mirrored", "phone", "in_front"

Features = Mapping[str, Tensor]  # [photo, P] by version


class Taught(NamedTuple):
    """Photos to fit a head to.

    Attributes:
        features: features by version, ``[photo, P]`` each.
        labels: class of each photo, ``[photo]``.
        n_classes: number of classes.
        classifier: the backbone's ImageNet classifier.
    """

    features: Features
    labels: Tensor
    n_classes: int
    classifier: Linear | None

    def rows(self, phone: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return features, labels and weights of the photos, mirror images and, with a weight, copies as of a phone."""
        versions = {PLAIN: 1.0, MIRRORED: 1.0, **({PHONE: phone} if phone else {})}
        weights = torch.tensor([*versions.values()]).repeat_interleave(len(self.labels))
        return torch.cat([self.features[name] for name in versions]), self.labels.repeat(len(versions)), weights


Fit = Callable[[Taught], Linear]


def logistic(strength: float, *, prior: bool, phone: float = 0.0) -> Fit:
    """Return a logistic regression that is pulled towards the ImageNet classifier, or towards zero."""

    def fit(taught: Taught) -> Linear:
        classifier = taught.classifier if prior else None
        towards = class_prior(taught.features[PLAIN], taught.labels, taught.n_classes, classifier)
        features, labels, weights = taught.rows(phone)
        return fit_logistic(features, labels, towards, strength=strength, weights=weights)

    return fit


def discriminant(shrinkage: float, phone: float = 0.0) -> Fit:
    """Return a discriminant analysis."""

    def fit(taught: Taught) -> Linear:
        features, labels, weights = taught.rows(phone)
        return fit_discriminant(features, labels, taught.n_classes, shrinkage=shrinkage, weights=weights)

    return fit


def prototypes(taught: Taught) -> Linear:
    """Return cosine prototypes: the class means as seen from the mean of all photos, with length 1."""
    plain = taught.features[PLAIN]
    centre = plain.mean(0)
    means = torch.stack([plain[taught.labels == label].mean(0) for label in range(taught.n_classes)])
    weight = normalize(means - centre)
    return Linear(weight, -weight @ centre)


def mean_of(*fits: Fit) -> Fit:
    """Return the mean of several heads."""

    def fit(taught: Taught) -> Linear:
        return mean_head([one(taught) for one in fits], taught.features[PLAIN])

    return fit


HEADS: Mapping[str, Fit] = {
    "logistic towards 0, strength 0.00001": logistic(1e-5, prior=False),
    "logistic towards 0, strength 0.0001": logistic(1e-4, prior=False),
    "cosine prototypes": prototypes,
    "discriminant, shrinkage 0.3": discriminant(0.3),
    "discriminant, shrinkage 0.9": discriminant(0.9),
    "logistic towards ImageNet, strength 0.0003": logistic(3e-4, prior=True),
    "logistic towards ImageNet, strength 0.001": logistic(1e-3, prior=True),
    "logistic towards ImageNet, strength 0.003": logistic(3e-3, prior=True),
    "mean of logistic towards ImageNet (0.001) and discriminant (0.3)": mean_of(
        logistic(1e-3, prior=True), discriminant(0.3)
    ),
    "the same, with copies as of a phone": mean_of(
        logistic(1e-3, prior=True, phone=0.25), discriminant(0.3, phone=0.25)
    ),
}


def main() -> None:
    """Print a table for each backbone."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the photos")
    parser.add_argument("--backbones", nargs="+", default=["efficientnet_lite2"], help="backbones to compare")
    parser.add_argument("--size", type=int, default=288, help="side of the network's input, pixels")
    parser.add_argument("--photos", type=int, default=7, help="number of training photos of each breed")
    parser.add_argument("--splits", type=int, default=5, help="number of splits")
    arguments = parser.parse_args()
    data = read_pets(arguments.data)
    for name in arguments.backbones:
        options = Options(backbone=name, size=arguments.size)
        features, classifier = _features(data, options)
        print(f"\n{name} at {arguments.size} pixels, {arguments.photos} photos a breed, {arguments.splits} splits:\n")
        versions = [version for version in features if version not in (MIRRORED, PHONE)]
        print(table_row("head", [*versions, "mean of the shifts"]))
        print(table_row("---", ["---:"] * (len(versions) + 1)))
        for head, fit in HEADS.items():
            scores = np.array(
                [
                    _judge(features, data.train.labels, split, fit, classifier, versions)
                    for split in _splits(data.train.labels, arguments.photos, arguments.splits)
                ]
            )
            shifted = scores[:, 1:].mean(1)
            cells = [f"{value:.3f}" for value in scores.mean(0)]
            print(table_row(head, [*cells, f"{shifted.mean():.3f} ± {shifted.std():.3f}"]), flush=True)
        novelty = leave_classes_out(
            PhotoFeatures(features[PLAIN], features[MIRRORED], features[PHONE], features[PLAIN][None]),
            data.train.labels,
            len(data.classes),
            classifier,
            options,
        )
        assert novelty is not None
        low, high = novelty.interval
        print(f"\nBreeds left out: AUROC {novelty.auroc:.3f} ({low:.3f} to {high:.3f}), flagged {novelty.flagged:.3f}")


def _splits(labels: Ints, n_photos: int, n_splits: int) -> Iterator[Ints]:
    for seed in range(n_splits):
        yield balanced_split(labels, n_photos, seed)


def _judge(
    features: Features, labels: Ints, taught: Ints, fit: Fit, classifier: Linear | None, versions: list[str]
) -> list[float]:
    """Return the accuracy averaged over breeds for each version of the photos that are not taught."""
    judged = np.setdiff1d(np.arange(len(labels)), taught)
    versions_taught = {version: rows[taught] for version, rows in features.items()}
    head = fit(Taught(versions_taught, torch.from_numpy(labels[taught]), int(labels.max()) + 1, classifier))
    truth, scores = labels[judged], []
    for version in versions:
        right = head.logits(features[version][judged]).argmax(1).numpy() == truth
        scores.append(float(np.mean([right[truth == label].mean() for label in np.unique(truth)])))
    return scores


def _features(data: PetData, options: Options) -> tuple[Features, Linear | None]:
    """Return the pooled features of the training photos in every version, and the backbone's classifier."""
    net, backbone = new_network(len(data.classes), options)
    net.eval()
    rows: dict[str, list[Tensor]] = {}
    bar = tqdm(range(0, len(data.train.files), BATCH), unit="batch", desc=options.backbone)
    for start in bar:
        photos = [load_photo(file) for file in data.train.files[start : start + BATCH]]
        for version, pictures in _versions(photos, data, start).items():
            crops = [crop(Photo(picture, *picture.size, "JPEG"), options.size, 1.0)[0] for picture in pictures]
            images = torch.from_numpy(normalise(np.stack(crops), backbone.spec.mean, backbone.spec.std))
            with torch.no_grad():
                pooled = net.head.pool(net.body(images.contiguous(memory_format=torch.channels_last)))
            rows.setdefault(version, []).append(pooled)
    return {version: torch.cat(parts) for version, parts in rows.items()}, backbone.classifier


def _versions(photos: list[Photo], data: PetData, start: int) -> dict[str, list[Image.Image]]:
    """Return the pictures of each version."""

    def rng(index: int, version: str) -> np.random.Generator:
        return np.random.default_rng([start + index, crc32(version.encode())])

    images = [photo.image for photo in photos]
    versions = {
        PLAIN: images,
        MIRRORED: [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images],
        PHONE: [phone(image, rng(i, PHONE)) for i, image in enumerate(images)],
        **{name: [shift(image, rng(i, name)) for i, image in enumerate(images)] for name, shift in SHIFTS.items()},
    }
    masks = [_mask(data.train.files[start + index], image.size) for index, image in enumerate(images)]
    versions[BACKGROUND] = [
        image if mask is None else in_front(image, rng(index, BACKGROUND), mask)
        for index, (image, mask) in enumerate(zip(images, masks, strict=True))
    ]
    return versions


def _mask(photo: Path, size: tuple[int, int]) -> Image.Image | None:
    """Return a photo's mask, 255 on the animal, from a trimap or a polygon; None if there is neither."""
    annotations = photo.parent.parent / "annotations"
    for folder in ("trimaps", "masks_from_polygons"):  # 1 is animal, 2 background, 3 the outline between them
        file = annotations / folder / f"{photo.stem}.png"
        if file.exists():
            with Image.open(file) as image:
                animal = np.asarray(image) != 2
            return Image.fromarray((animal * 255).astype(np.uint8)).resize(size)
    return None


if __name__ == "__main__":
    main()
