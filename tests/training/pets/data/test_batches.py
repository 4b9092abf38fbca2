"""Batches of photos: repeatable for any number of threads, and equal to evaluation's input without augmentation."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from pets.images import crop, normalise, open_photo
from training.loop.learner import Learner
from training.pets.data.augment import LESSON, NONE
from training.pets.data.batches import PhotoBatches, crops, reduced
from training.pets.data.photos import PhotosError, Split, load_photo

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
COUNTS = (12, 3, 2)  # photos of each class
OPTIONS: dict[str, Any] = {"size": 32, "crop_pct": 0.9, "mean": MEAN, "std": STD, "strengths": LESSON, "batch_size": 5}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Tall, wide and small photos of noise; the class is the colour."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(COUNTS)), COUNTS)
    files = []
    for i, label in enumerate(labels):
        width, height = ((60, 90), (90, 60), (20, 25))[i % 3]
        pixels = rng.integers(0, 100, (height, width, 3), np.uint8)
        pixels[..., label] += 120
        files.append(folder / f"{i}.png")
        Image.fromarray(pixels).save(files[-1])
    return Split(tuple(files), labels)


def epoch(batches: PhotoBatches, seed: int = 1) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    inputs, labels = zip(*batches, strict=True)
    return torch.cat(inputs), torch.cat(labels)


def test_an_epoch_has_every_photo_once_and_no_short_batch(photos: Split) -> None:
    batches = PhotoBatches(photos, **OPTIONS)
    found = list(batches)
    assert len(batches) == len(found) == 3  # 17 photos
    for inputs, labels in found:
        assert inputs.shape == (5, 3, 32, 32)
        assert inputs.dtype == torch.float32
        assert inputs.isfinite().all()
        assert labels.dtype == torch.int64
    one = PhotoBatches(photos, **{**OPTIONS, "batch_size": 100})
    assert len(one) == 1
    assert np.bincount(epoch(one)[1]).tolist() == list(COUNTS)


def test_labels_stay_with_their_photos(photos: Split) -> None:
    inputs, labels = epoch(PhotoBatches(photos, **OPTIONS))
    colours = inputs.mean((2, 3)) * torch.tensor(STD) + torch.tensor(MEAN)
    assert (colours.argmax(1) == labels).all()


def test_a_seed_gives_the_same_epoch_whatever_the_threads(photos: Split) -> None:
    """Torch's generator ends in the same state too, so that dropout is the same."""
    found = []
    for options in ({}, {"threads": 2}, {"threads": 3, "cache_mb": 0}, {"cache_mb": 0}):
        batches = PhotoBatches(photos, **OPTIONS, **options)  # type: ignore[arg-type]
        found.append((*epoch(batches), torch.rand(1), *epoch(batches)))  # the second epoch comes from what was kept
    for other in found[1:]:
        for got, expected in zip(other, found[0], strict=True):
            assert torch.equal(got, expected)
    batches = PhotoBatches(photos, **OPTIONS)
    assert not torch.equal(epoch(batches, seed=2)[0], found[0][0])
    first, second = ([labels.tolist() for _, labels in batches] for _ in range(2))
    assert first != second


def test_balanced_batches_draw_every_class_equally_often(photos: Split) -> None:
    batches = PhotoBatches(photos, **OPTIONS, balanced=True)
    totals = np.zeros(3, int)
    for seed in range(6):
        counts = np.bincount(epoch(batches, seed)[1], minlength=3)
        assert counts.tolist() == [5, 5, 5]
        totals += counts
    uneven = PhotoBatches(photos, **{**OPTIONS, "batch_size": 8}, balanced=True)  # 16 of 3 classes
    assert sorted(np.bincount(epoch(uneven)[1])) == [5, 5, 6]
    # a class with more photos than its turns shows others in another epoch
    draws = [uneven._order().tolist() for _ in range(10)]
    assert {row for rows in draws for row in rows} == set(range(17))


def test_without_augmentation_the_batch_equals_evaluations_input(photos: Split) -> None:
    torch.manual_seed(0)
    order = torch.randperm(17)[:15].tolist()
    expected = normalise(crops([photos.files[row] for row in order], 32, 0.9), MEAN, STD)
    got, labels = epoch(PhotoBatches(photos, **{**OPTIONS, "strengths": NONE}), seed=0)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert labels.tolist() == photos.labels[order].tolist()


def test_an_empty_draw_nearly_equals_evaluations_input(tmp_path: Path) -> None:
    """A cached photo has more pixels than evaluation's input, so that a zoom has some to show."""
    y, x = np.mgrid[0:400, 0:600]
    pixels = np.stack([np.sin(x / 30), np.cos(y / 40), np.sin((x + y) / 50)], axis=-1)
    file = tmp_path / "a.png"
    Image.fromarray((127 * (1 + pixels)).astype(np.uint8)).save(file)
    strengths = dataclasses.replace(NONE, zoom=1.3, p_affine=1e-12)
    assert strengths.moves
    split = Split((file, file), np.array([0, 1]))
    got, _ = epoch(PhotoBatches(split, **{**OPTIONS, "size": 128, "strengths": strengths}))
    expected = normalise(crops([file], 128, 0.9), MEAN, STD)[0]
    assert np.abs(got[0].numpy() - expected).max() < 0.1
    assert reduced(load_photo(file), 142, 1.3).shape == (3, 185, 278)  # a third more than the 142 pixels


def test_a_small_photo_is_not_cached_enlarged(photos: Split) -> None:
    small = load_photo(photos.files[2])
    assert small.image.size == (20, 25)
    assert reduced(small, 36, 1.3).shape == (3, 45, 36)


def test_photos_are_decoded_once_while_the_cache_has_room(photos: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []

    def counting(file: Path) -> Any:
        opened.append(file)
        return load_photo(file)

    monkeypatch.setattr("training.pets.data.batches.load_photo", counting)
    whole = PhotoBatches(photos, **{**OPTIONS, "batch_size": 17})
    for _ in range(3):
        epoch(whole)
    assert len(opened) == 17
    opened.clear()
    nothing = PhotoBatches(photos, **{**OPTIONS, "batch_size": 17}, cache_mb=0)
    for _ in range(2):
        epoch(nothing)
    assert len(opened) == 34


def test_a_photo_that_breaks_after_reading_is_named(photos: Split, tmp_path: Path) -> None:
    broken = tmp_path / "broken_1.jpg"
    broken.write_bytes(b"no photo")
    split = Split((*photos.files[:5], broken), photos.labels[:6])
    for threads in (0, 2):
        with pytest.raises(PhotosError, match=r"broken_1\.jpg"):
            epoch(PhotoBatches(split, **{**OPTIONS, "batch_size": 6}, threads=threads))


def test_leaving_an_epoch_early_ends_its_threads(photos: Split) -> None:
    """The learning-rate finder takes a few batches and leaves the epoch."""
    for _ in range(3):
        assert len(list(itertools.islice(PhotoBatches(photos, **OPTIONS, threads=2), 1))) == 1


@pytest.mark.parametrize("wrong", [{"batch_size": 1}, {"photos": Split((Path("a.jpg"),), np.array([0]))}])
def test_fewer_than_two_photos_in_a_batch_are_an_error(photos: Split, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="2 photos in a batch"):
        PhotoBatches(**{"photos": photos, **OPTIONS, **wrong})


def test_a_network_learns_from_the_batches(photos: Split) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.Sequential(network, nn.Linear(8, 3))
    batches = PhotoBatches(photos, **OPTIONS, balanced=True, threads=1)
    Learner(model, nn.CrossEntropyLoss(), progress=False).fit_one_cycle(batches, 15, 0.05)
    seen = torch.from_numpy(normalise(crops(photos.files, 32, 0.9), MEAN, STD))
    assert (model(seen).argmax(1).numpy() == photos.labels).mean() > 0.9


def test_crops_equal_the_crop_of_each_photo(photos: Split) -> None:
    got = crops(photos.files, 24, 0.8, threads=2)
    expected = [crop(open_photo(file.read_bytes()), 24, 0.8)[0] for file in photos.files]
    np.testing.assert_array_equal(got, np.stack(expected))


@pytest.mark.gpu
@pytest.mark.parametrize("threads", [0, 4])
@pytest.mark.parametrize("cache_mb", [0, 2048])
def test_batches_of_a_gpu_equal_those_of_the_cpu(photos: Split, threads: int, cache_mb: int) -> None:
    expected, labels = epoch(PhotoBatches(photos, **OPTIONS))
    batches = PhotoBatches(photos, **OPTIONS, threads=threads, cache_mb=cache_mb, device="cuda:0")
    assert next(iter(batches))[0].device.type == "cuda"
    for _ in range(2):  # the second time from the cache
        got, got_labels = epoch(batches)
        torch.testing.assert_close(got.cpu(), expected, atol=1e-3, rtol=0)
        assert got_labels.tolist() == labels.tolist()
