"""Draw augmented photos, so that a person can check that they are recognisable and like the photos to come.

matplotlib is used through its Figure alone, which draws on an Agg canvas: no window, no global state.
"""

import io
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from pets.images import crop
from runtime.folder import write_file
from training.pets.data.augment import Strengths, augment, draw
from training.pets.data.batches import reduced
from training.pets.data.photos import PetData, load_photo

_INCHES, _DPI = 1.6, 140  # side of one picture, and resolution


def plot_augmentations(
    data: PetData,
    file: Path,
    *,
    size: int,
    crop_pct: float,
    strengths: Strengths,
    photos: int = 4,
    versions: int = 5,
    seed: int = 0,
) -> None:
    """Write a PNG file, in an atomic write, with a row for each photo: evaluation's crop and augmented versions.

    Args:
        data: data set whose training photos are drawn, of as many breeds as possible.
        file: file to write.
        size: side of the network's input, pixels.
        crop_pct: share of a photo's shorter side that the input covers.
        strengths: strengths of the augmentation.
        photos: number of photos.
        versions: number of augmented versions of each photo.
        seed: random seed for the choice of photos and the augmentation.

    Raises:
        PhotosError: if a photo can't be read.
    """
    rows = _choose(data, photos, seed)
    shorter = round(size / crop_pct)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        draws = iter(draw(strengths, len(rows) * versions))
    figure = Figure(figsize=((versions + 1) * _INCHES, len(rows) * (_INCHES + 0.25)), layout="constrained")
    grid = figure.subplots(len(rows), versions + 1, squeeze=False)
    for row, axes in zip(rows, grid, strict=True):
        photo = load_photo(data.train.files[row])
        reduced_photo = reduced(photo, shorter, strengths.zoom)
        breed = data.classes[data.train.labels[row]].name.replace("_", " ")
        axes[0].imshow(crop(photo, size, crop_pct)[0])
        axes[0].set_title(breed, loc="left", fontsize=9, fontweight="bold")
        for ax in axes[1:]:
            augmented = augment(reduced_photo, next(draws), size=size, shorter=shorter, mean=(0, 0, 0), std=(1, 1, 1))
            ax.imshow(augmented.permute(1, 2, 0).clamp(0, 1).numpy())
        for ax in axes:
            ax.set_axis_off()
    grid[0, 1].set_title("augmented", loc="left", fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    write_file(file, content.getvalue())


def _choose(data: PetData, photos: int, seed: int) -> list[int]:
    """Return rows of training photos: one of each breed in random order, then a second of each, and so on."""
    labels = data.train.labels
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)  # number of photos of the same breed before it
    for label in range(len(data.classes)):
        rows = order[labels[order] == label]
        turn[rows] = np.arange(len(rows))
    return [int(row) for row in order[np.argsort(turn[order], kind="stable")][:photos]]
