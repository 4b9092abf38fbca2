"""The picture of augmented photos: a row for each photo, of many breeds, and repeatable by its seed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.pets.data.augment import LESSON, NONE
from training.pets.data.photos import PetClass, PetData, Split
from training.pets.data.preview import plot_augmentations

COLOURS = [(220, 30, 30), (30, 200, 30), (30, 30, 230)]


@pytest.fixture
def data(tmp_path: Path) -> PetData:
    """Photos in one colour a breed, five of the first breed."""
    labels = np.array([0, 0, 0, 0, 0, 1, 2])
    files = []
    for i, label in enumerate(labels):
        files.append(tmp_path / f"{i}.png")
        Image.new("RGB", (90, 60), COLOURS[label]).save(files[-1])
    split = Split(tuple(files), labels)
    return PetData(
        tmp_path, "names", tuple(PetClass(name, None) for name in ("a_pug", "Birman", "Bengal")), split, split
    )


def colours(file: Path) -> int:
    """Return the number of the breeds' colours in the picture."""
    pixels = np.asarray(Image.open(file).convert("RGB")).astype(int)
    return sum(bool((np.abs(pixels - colour).max(-1) < 3).mean() > 0.05) for colour in COLOURS)


def test_the_photos_are_of_as_many_breeds_as_possible(data: PetData, tmp_path: Path) -> None:
    for photos in (1, 2, 3):
        plot_augmentations(
            data, tmp_path / "out" / "a.png", size=32, crop_pct=1.0, strengths=NONE, photos=photos, versions=2
        )
        assert colours(tmp_path / "out" / "a.png") == photos


def test_a_seed_repeats_the_picture(data: PetData, tmp_path: Path) -> None:
    def drawn(name: str, seed: int) -> bytes:
        plot_augmentations(
            data, tmp_path / name, size=32, crop_pct=0.9, strengths=LESSON, photos=9, versions=1, seed=seed
        )
        return (tmp_path / name).read_bytes()

    assert drawn("a.png", 1) == drawn("b.png", 1) != drawn("c.png", 2)
