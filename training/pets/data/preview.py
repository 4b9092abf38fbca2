"""A picture of what augmentation makes of photos: is each still plain to recognise, and like photos that will come?

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

_INCHES, _DPI = 1.6, 140  # side of one picture


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
    """Draw a PNG file, which appears whole or not at all: a row for each photo, as it is and as it may be trained on.

    Args:
        data: photos to train on are shown, of as many breeds as can be.
        file: to write.
        size: side of the network's input, in pixels.
        crop_pct: its share of the photo's shorter side.
        strengths: of the augmentation.
        photos: how many.
        versions: of each, beside what evaluation would see of it.
        seed: of the choice of photos and the augmentation.

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
        whole = reduced(photo, shorter, strengths.zoom)
        breed = data.classes[data.train.labels[row]].name.replace("_", " ")
        axes[0].imshow(crop(photo, size, crop_pct)[0])
        axes[0].set_title(breed, loc="left", fontsize=9, fontweight="bold")
        for ax in axes[1:]:
            seen = augment(whole, next(draws), size=size, shorter=shorter, mean=(0, 0, 0), std=(1, 1, 1))
            ax.imshow(seen.permute(1, 2, 0).clamp(0, 1).numpy())
        for ax in axes:
            ax.set_axis_off()
    grid[0, 1].set_title("augmented", loc="left", fontsize=9)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI)
    write_file(file, content.getvalue())


def _choose(data: PetData, photos: int, seed: int) -> list[int]:
    """Rows of photos to train on: one of each breed in a drawn order, then a second of each, and so on."""
    labels = data.train.labels
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.zeros(len(labels), np.int64)  # how many of the breed come before it
    for label in range(len(data.classes)):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    return [int(row) for row in order[np.argsort(turn[order], kind="stable")][:photos]]
