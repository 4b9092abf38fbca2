"""Features of a linear probe: versions of each photo, and storage for a resumed run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pets.images import Photo, crop, normalise
from tests.training.pets.tiny import CHANNELS, TINY
from training.pets.data.photos import PetData, Split, load_photo
from training.pets.data.shifts import phone
from training.pets.fit import new_network
from training.pets.options import Options
from training.pets.probe.features import PhotoFeatures, photo_features, shifted_crops

SIZE = 64


def compute(photos: Split, *, copies: int = 2, seed: int = 0, **settings: Any) -> PhotoFeatures:
    net, backbone = new_network(3, Options(backbone=TINY, size=SIZE))
    return photo_features(
        net.eval(),
        backbone.spec,
        photos,
        size=SIZE,
        crop_pct=0.9,
        copies=copies,
        device="cpu",
        bfloat16=False,
        seed=seed,
        progress=False,
        **settings,
    )


def pooled(pixels: np.ndarray) -> torch.Tensor:  # type: ignore[type-arg]
    """Return the mean of each channel for crops ``[photo, SIZE, SIZE, 3]``."""
    net, backbone = new_network(3, Options(backbone=TINY, size=SIZE))
    images = torch.from_numpy(normalise(pixels, backbone.spec.mean, backbone.spec.std))
    with torch.no_grad():
        return net.eval().body(images).mean((2, 3))


def test_features_are_those_of_the_photo_its_mirror_image_and_its_copies(pet_data: PetData) -> None:
    features = compute(pet_data.train)
    crops = np.stack([crop(load_photo(file), SIZE, 0.9)[0] for file in pet_data.train.files])
    n_photos = len(crops)
    assert [tuple(part.shape) for part in features] == [(n_photos, CHANNELS)] * 3 + [(2, n_photos, CHANNELS)]
    torch.testing.assert_close(features.plain, pooled(crops), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(features.mirrored, pooled(crops[:, :, ::-1]), atol=1e-4, rtol=1e-3)
    copies = [
        phone(load_photo(file).image, np.random.default_rng([0, index, 1]))
        for index, file in enumerate(pet_data.train.files)
    ]
    of_a_phone = [crop(Photo(copy, *copy.size, "JPEG"), SIZE, 0.9)[0] for copy in copies]
    torch.testing.assert_close(features.phone, pooled(np.stack(of_a_phone)), atol=1e-4, rtol=1e-3)
    shifted = shifted_crops(pet_data.train.files, SIZE, 0.9, copies=2, seed=0)
    for copy in range(2):
        torch.testing.assert_close(features.shifted[copy], pooled(shifted[copy]), atol=1e-4, rtol=1e-3)


def test_copies_differ_from_each_other_and_by_seed(pet_data: PetData) -> None:
    files = pet_data.train.files[:3]
    shifted = shifted_crops(files, SIZE, 1.0, copies=3, seed=0)
    assert (shifted[0] != shifted[1]).any()
    np.testing.assert_array_equal(shifted, shifted_crops(files, SIZE, 1.0, copies=3, seed=0))
    assert (shifted != shifted_crops(files, SIZE, 1.0, copies=3, seed=1)).any()


def test_without_copies_there_are_no_shifted_features(pet_data: PetData) -> None:
    assert compute(Split(pet_data.train.files[:2], pet_data.train.labels[:2]), copies=0).shifted.shape == (
        0,
        2,
        CHANNELS,
    )


def test_stored_features_are_read_and_not_computed(
    pet_data: PetData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "features.safetensors"
    first = compute(pet_data.train, file=file)
    monkeypatch.setattr("training.pets.probe.features.load_photo", lambda path: pytest.fail("read a photo"))
    again = compute(pet_data.train, file=file)
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_memory_is_bounded_by_few_photos_ahead(pet_data: PetData, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, seen = [], []

    def load(file: Path) -> Any:
        loaded.append(file)
        return load_photo(file)

    def count(self: Any, images: torch.Tensor) -> torch.Tensor:
        seen.append(len(loaded))
        return images.mean((2, 3), keepdim=True)

    monkeypatch.setattr("training.pets.probe.features.load_photo", load)
    monkeypatch.setattr("training.pets.backbones.Body.forward", count)
    monkeypatch.setattr("training.pets.backbones._channels", lambda *arguments: CHANNELS)
    photos = Split(pet_data.train.files * 4, np.tile(pet_data.train.labels, 4))
    compute(photos, copies=0)
    assert len(photos.files) > 100
    assert seen[0] < 60
