"""Fits of both recipes: their parts, their weights, and resuming after an interruption."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import training.pets.fit as fits
from pets.images import crop, normalise, open_photo
from tests.training.pets.drawn import BREEDS, draw_photo
from tests.training.pets.tiny import TINY
from training.loop import checkpoint
from training.loop.batches import predict
from training.loop.checkpoint import CheckpointError
from training.loop.learner import Learner
from training.loop.lr_finder import FoundLR
from training.pets.data.photos import PetData, Split
from training.pets.fit import Fitted, fit, lr_find, new_network
from training.pets.options import Options
from training.pets.train import split_for_calibration

SMALL: dict[str, Any] = {"backbone": TINY, "size": 64, "batch_size": 8, "bfloat16": False}
PROBE = Options(**SMALL)
HEAD_ALONE = Options(**SMALL, prior=None, frozen_epochs=3)
FINE_TUNED = Options(**SMALL, frozen_epochs=2, epochs=2)
LESSON = Options.of(
    "lesson", **{**SMALL, "hidden": 32, "frozen_epochs": 1, "epochs": 1, "late_size": 96, "late_epochs": 1}
)


def run(data: PetData, options: Options, folder: Path | None = None, **other: Any) -> Fitted:
    return fit(data, data.train, options, folder=folder, progress=False, **other)


def weights(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.fixture
def no_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the learning-rate finder, which takes a hundred steps."""
    monkeypatch.setattr(Learner, "lr_find", lambda self, train, **options: FoundLR([1e-3], [1.0], 1e-3))


# The parts of a fit.


@pytest.mark.integration
def test_a_trained_network_classifies_new_drawings(pet_data: PetData, tmp_path: Path) -> None:
    fitted = run(pet_data, dataclasses.replace(PROBE, backbone="efficientnet_lite0", size=96))
    files, labels = [], []
    for label, breed in enumerate(pet_data.classes):
        for seed in range(100, 104):
            files.append(tmp_path / f"{breed.name}{seed}.png")
            draw_photo(breed.name, seed).save(files[-1])
            labels.append(label)
    assert {breed.name for breed in pet_data.classes} == {*BREEDS}
    assert (fitted.logits(Split(tuple(files), np.array(labels))).argmax(1) == labels).all()
    assert not fitted.net.training


class Part:
    """A call of ``fit_one_cycle``: its arguments, the parameters that train, and the mode of the batch norms."""

    def __init__(self, learner: Learner, train: Any, epochs: int, lr: Any, options: dict[str, Any]) -> None:
        self.epochs, self.lr, self.pct_start = epochs, lr, options["pct_start"]
        images, _ = next(iter(train))
        self.shape = tuple(images.shape)
        self.groups = len(learner.groups)
        learner.model.train()
        body = getattr(learner.model, "body", None)
        self.body: set[str] = set()
        if body is not None:
            norms = [module for module in body.modules() if isinstance(module, nn.BatchNorm2d)]
            self.following = {norm.training for norm in norms}
            of_norms = {param for norm in norms for param in norm.parameters()}
            learning = {param for param in body.parameters() if param.requires_grad}
            self.body = {
                name for name, some in (("norms", of_norms), ("others", learning - of_norms)) if learning & some
            }


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, no_finder: None) -> list[Part]:
    """Record the parts of a fit without training."""
    recorded: list[Part] = []

    def record(self: Learner, train: Any, epochs: int, lr: Any, **options: Any) -> None:
        recorded.append(Part(self, train, epochs, lr, options))

    monkeypatch.setattr(Learner, "fit_one_cycle", record)
    return recorded


@pytest.mark.integration
def test_the_default_recipe_has_no_gradient_steps(pet_data: PetData, parts: list[Part]) -> None:
    fitted = run(pet_data, PROBE)
    assert parts == []
    assert fitted.history.epochs == []
    assert fitted.lr is None


@pytest.mark.integration
def test_a_head_can_train_alone_and_after_a_probe(pet_data: PetData, parts: list[Part]) -> None:
    run(pet_data, HEAD_ALONE)
    run(pet_data, FINE_TUNED)
    assert [part.epochs for part in parts] == [3, 2, 2]
    assert (parts[0].lr, parts[0].pct_start) == (HEAD_ALONE.frozen_lr, HEAD_ALONE.pct_start)
    assert [part.body for part in parts] == [set(), set(), {"norms", "others"}]


@pytest.mark.integration
def test_the_lessons_recipe_has_three_parts(pet_data: PetData, parts: list[Part]) -> None:
    run(pet_data, LESSON, holdout=pet_data.valid)
    frozen, full, late = parts
    assert [part.pct_start for part in parts] == [0.8] * 3
    assert [part.shape for part in parts] == [(8, 3, 64, 64), (8, 3, 64, 64), (8, 3, 96, 96)]
    assert frozen.lr == 1e-2
    assert full.lr == pytest.approx([1e-6, 10**-4.5, 1e-3])  # fastai's slice(1e-6, 1e-3) over three groups
    assert late.lr == pytest.approx([1e-6, 1e-5, 1e-4])
    assert [part.body for part in parts] == [{"norms"}, {"norms", "others"}, {"norms", "others"}]
    assert all(part.following == {True} for part in parts)


@pytest.mark.integration
def test_the_lessons_recipe_can_keep_its_batch_norms(pet_data: PetData, parts: list[Part]) -> None:
    run(pet_data, dataclasses.replace(LESSON, train_bn=False))
    assert [part.body for part in parts] == [set(), {"norms", "others"}, {"norms", "others"}]
    assert all(part.following == {False} for part in parts)


@pytest.mark.parametrize("options", [PROBE, dataclasses.replace(HEAD_ALONE, frozen_epochs=1)])
@pytest.mark.integration
def test_a_frozen_backbone_keeps_its_weights(pet_data: PetData, options: Options) -> None:
    before = weights(new_network(3, options)[0])
    after = weights(run(pet_data, options).net)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith("head.")}


@pytest.mark.integration
def test_batch_norm_statistics_stay_without_train_bn(pet_data: PetData) -> None:
    options = Options(**SMALL, prior=None, epochs=1, lr=(1e-3, 1e-3))
    before = weights(new_network(3, options)[0])
    after = weights(run(pet_data, options).net)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if "running_" not in name and "num_batches" not in name}


# Holdout and learning-rate finder.


@pytest.mark.integration
def test_a_holdout_does_not_change_the_weights(pet_data: PetData, no_finder: None) -> None:
    with_others = dataclasses.replace(
        pet_data, valid=Split(pet_data.valid.files[:2], 1 - pet_data.valid.labels[:2] % 2)
    )
    alone = run(pet_data, FINE_TUNED)
    evaluated = run(with_others, FINE_TUNED, holdout=with_others.valid)
    assert_same(weights(alone.net), weights(evaluated.net))
    assert not any(epoch.metrics for epoch in alone.history.epochs)
    assert all(0 <= epoch.metrics["accuracy"] <= 1 for epoch in evaluated.history.epochs)
    assert [epoch.number for epoch in evaluated.history.epochs] == [1, 2, 3, 4]
    assert len(evaluated.history.losses) == len(evaluated.history.lrs) == 4 * 4


@pytest.mark.integration
def test_the_learning_rate_finder_does_not_change_the_weights(pet_data: PetData) -> None:
    assert lr_find(pet_data, pet_data.train, HEAD_ALONE).suggestion > 0
    searched = run(pet_data, HEAD_ALONE, holdout=pet_data.valid)
    assert searched.lr is not None
    assert_same(weights(searched.net), weights(run(pet_data, HEAD_ALONE).net))


@pytest.mark.integration
def test_a_fit_leaves_nothing_frozen(pet_data: PetData, parts: list[Part]) -> None:
    fitted = run(pet_data, LESSON, holdout=pet_data.valid)
    assert all(param.requires_grad for param in fitted.net.parameters())


# Logits.


@pytest.mark.integration
def test_logits_are_computed_from_the_crops_of_serving(pet_data: PetData) -> None:
    options = dataclasses.replace(HEAD_ALONE, crop_pct=0.8, late_size=96, late_epochs=1, frozen_epochs=0)
    net, backbone = new_network(3, options)
    fitted = Fitted(net, backbone.spec, options)
    fitted.net.eval()
    nn.init.normal_(fitted.net.head.layers[1].weight)
    spec = fitted.backbone
    photos = Split(pet_data.valid.files * 5, np.tile(pet_data.valid.labels, 5))  # more than one batch
    logits = fitted.logits(photos)
    pixels = np.stack([crop(open_photo(file.read_bytes()), 96, 0.8)[0] for file in pet_data.valid.files])
    expected = predict(fitted.net, torch.from_numpy(normalise(pixels, spec.mean, spec.std)))
    np.testing.assert_allclose(logits, np.tile(expected, (5, 1)), rtol=1e-4, atol=1e-4)
    assert logits.shape == (len(photos.files), 3)


# Resuming.


class StoppedError(Exception):
    """Stops a training in a test."""


def stop_at(number: int) -> Callable[..., None]:
    """Return a function that writes checkpoints and stops the training at one of them."""
    write, count = checkpoint.save, 0

    def save(*arguments: Any) -> None:
        nonlocal count
        write(*arguments)
        count += 1
        if count == number:
            raise StoppedError

    return save


@pytest.mark.parametrize(
    ("options", "moments"),
    [
        pytest.param(FINE_TUNED, (1, 3), id="probe"),
        pytest.param(LESSON, (1, 2), id="lesson", marks=pytest.mark.integration),
    ],
)
@pytest.mark.integration
def test_a_resumed_fit_ends_with_the_same_weights(
    pet_data: PetData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Options, moments: tuple[int, ...]
) -> None:
    """The weights equal those of an uninterrupted fit to the last bit, as does the fused optimizer's state."""
    uninterrupted = run(pet_data, options)
    for moment in moments:
        folder = tmp_path / str(moment)
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", stop_at(moment))
            with pytest.raises(StoppedError):
                run(pet_data, options, folder)
        resumed = run(pet_data, options, folder)
        assert_same(weights(uninterrupted.net), weights(resumed.net))
        assert resumed.history.losses == uninterrupted.history.losses
        assert [epoch.number for epoch in resumed.history.epochs] == [
            epoch.number for epoch in uninterrupted.history.epochs
        ]


@pytest.mark.integration
def test_a_resumed_fit_does_not_compute_features_again(
    pet_data: PetData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(pet_data, PROBE, tmp_path)
    monkeypatch.setattr("training.pets.probe.features.load_photo", lambda file: pytest.fail("read the photos"))
    assert_same(weights(first.net), weights(run(pet_data, PROBE, tmp_path).net))


@pytest.mark.integration
def test_the_finder_of_a_resumed_fit_uses_an_untrained_head(pet_data: PetData, tmp_path: Path) -> None:
    """The report of a resumed run then shows the same plot."""
    first, again = (run(pet_data, HEAD_ALONE, tmp_path, holdout=pet_data.valid).lr for _ in range(2))
    assert first is not None
    assert first == again


@pytest.mark.parametrize("change", [{"frozen_lr": 1e-2}, {"seed": 1}, {"size": 96}, {"smoothing": 0.1}])
@pytest.mark.integration
def test_a_checkpoint_of_other_options_is_rejected_at_once(
    pet_data: PetData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    run(pet_data, HEAD_ALONE, tmp_path)
    monkeypatch.setattr("training.pets.fit.PhotoBatches.__iter__", lambda self: pytest.fail("read the photos"))
    (name,) = change
    with pytest.raises(CheckpointError, match=f"{name} is"):
        run(pet_data, dataclasses.replace(HEAD_ALONE, **change), tmp_path)


@pytest.mark.integration
def test_a_checkpoint_of_other_photos_is_rejected(pet_data: PetData, tmp_path: Path) -> None:
    run(pet_data, HEAD_ALONE, tmp_path)
    kept, _ = split_for_calibration(pet_data.train, 0.2, 0)
    with pytest.raises(CheckpointError, match="photos"):
        fit(pet_data, kept, HEAD_ALONE, folder=tmp_path, progress=False)


@pytest.mark.parametrize(("device", "expected"), [("cpu", 1), ("cuda:0", 5)])
def test_all_cores_decode_photos_for_a_gpu(
    pet_data: PetData, monkeypatch: pytest.MonkeyPatch, device: str, expected: int
) -> None:
    monkeypatch.setattr(fits, "n_cores", lambda: 5)
    _, (_, backbone, _) = new_network(len(pet_data.classes), PROBE)
    job = fits._Job(pet_data, pet_data.train, PROBE, backbone, device)
    assert fits._photo_batches(job, 64).threads == expected
