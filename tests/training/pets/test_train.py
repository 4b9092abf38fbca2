"""Trainings end in a bundle with an evaluation on unseen photos; interrupted ones resume."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from pets import bundle as bundles
from pets.classifier import Classifier
from pets.images import crop, open_photo
from runtime.bundle import CARD, MANIFEST, WEIGHTS
from runtime.folder import sha256
from tests.training.pets.test_fit import StoppedError, stop_at
from tests.training.pets.tiny import TINY
from training.loop import checkpoint
from training.loop.checkpoint import CheckpointError
from training.options import OptionsError
from training.pets import train as module
from training.pets.calibration import calibrate
from training.pets.data.photos import PetData, Split
from training.pets.fit import fit
from training.pets.options import Options
from training.pets.probe.features import shifted_crops
from training.pets.train import Trained, split_for_calibration, train
from training.run import Run

pytestmark = pytest.mark.integration

SMALL = Options(backbone=TINY, size=64, batch_size=8, prior=None, frozen_epochs=2, int8=False)
PROBE = Options(backbone=TINY, size=64, int8=False)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without exporting the graph, which takes ten seconds, and so without loading the bundle."""
    monkeypatch.setattr(module, "exported_network", lambda *arguments, **options: b"")
    monkeypatch.setattr(Classifier, "load", lambda *arguments, **options: None)


def run(data: PetData, out: Path, options: Options = SMALL, *, name: str = "pets", **settings: Any) -> Trained:
    return train(data, out, options, Run(name, progress=False, **settings))


# The bundle.


def test_the_manifest_records_the_training(pets_training: tuple[Path, Trained], pet_data: PetData) -> None:
    folder, trained = pets_training
    manifest = bundles.load(folder).manifest
    assert trained.classifier.manifest == manifest
    assert trained.manifest.model_dump_json() == manifest.model_dump_json()
    assert [breed.name for breed in manifest.classes] == [breed.name for breed in pet_data.classes]
    assert (manifest.image.size, manifest.image.crop_pct) == (96, 0.9)
    assert manifest.training["backbone"] == manifest.backbone.name == TINY
    assert manifest.training["photos"] == len(pet_data.train.files)
    assert manifest.training["photos_by_class"] == {"Birman": 12, "Maine_Coon": 12, "Pug": 12}
    assert {field.name for field in dataclasses.fields(Options)} <= {*manifest.training}
    assert manifest.metrics["photos"] == len(pet_data.valid.files)
    assert manifest.metrics["split"] == "held out"
    assert TINY in (folder / CARD).read_text()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]  # the checkpoints are gone


@pytest.mark.gpu
def test_a_gpu_trains_a_bundle_that_a_cpu_can_verify(pet_data: PetData, tmp_path: Path) -> None:
    run(pet_data, tmp_path / "pets", device="cuda:0")
    for device in ("cpu", "cuda:0"):
        Classifier.load(tmp_path / "pets", device=device)


def test_the_evaluated_network_is_the_served_one(pets_training: tuple[Path, Trained], pet_data: PetData) -> None:
    """Half precision, folded norms, the graph and all: the bundle gives the logits that its figures are of."""
    folder, trained = pets_training
    classifier, evaluation = Classifier.load(folder), trained.evaluation
    image = classifier.manifest.image
    pixels = [crop(open_photo(file.read_bytes()), image.size, image.crop_pct)[0] for file in pet_data.valid.files]
    logits = classifier.run_network(pixels).logits
    np.testing.assert_allclose(logits, evaluation.logits, atol=1e-4 * np.abs(logits).max())
    np.testing.assert_allclose(classifier.probabilities(logits), evaluation.probabilities, atol=1e-4)
    right = (logits.argmax(1) == pet_data.valid.labels).mean()
    assert classifier.manifest.metrics["accuracy"] == pytest.approx(right)
    assert list(evaluation.files) == list(pet_data.valid.files)


def test_temperature_and_thresholds_come_from_photos_left_out(pet_data: PetData, tmp_path: Path, quick: None) -> None:
    """Photos as they are and their shifted copies, of a fit that did not see them."""
    trained = run(pet_data, tmp_path / "pets")
    kept, left_out = split_for_calibration(pet_data.train, SMALL.calibrate_pct, SMALL.seed)
    fitted = fit(pet_data, kept, SMALL, progress=False)
    plain = fitted.logits(left_out)
    copies = shifted_crops(left_out.files, 64, 1.0, copies=SMALL.copies, seed=SMALL.seed)
    shifted = np.stack([fitted.logits_of(pixels) for pixels in copies])
    expected = calibrate(
        plain, shifted, left_out.labels, target=SMALL.target, false_alarms=SMALL.false_alarms, seed=SMALL.seed
    )
    manifest = trained.manifest
    assert (manifest.temperature, manifest.threshold, manifest.known_threshold) == pytest.approx(expected, rel=1e-3)
    figures = manifest.metrics["left_out"]
    right = plain.argmax(1) == left_out.labels
    assert figures["plain"]["accuracy"] == pytest.approx(right.mean())
    assert figures["shifted"]["accuracy"] == pytest.approx((shifted.argmax(2) == left_out.labels).mean())
    assert trained.history.epochs[-1].metrics["accuracy"] == pytest.approx(right.mean())
    assert trained.lr is not None


def test_a_probe_is_calibrated_by_cross_validation(pets_training: tuple[Path, Trained], pet_data: PetData) -> None:
    _, trained = pets_training
    figures = trained.manifest.metrics["left_out"]
    assert figures["plain"]["photos"] == len(pet_data.train.files)
    assert figures["shifted"]["photos"] == figures["shifted"]["copies"] * len(pet_data.train.files)
    assert trained.manifest.known_threshold is not None
    assert figures["plain"]["unlike_training"] + figures["shifted"]["unlike_training"] <= 2 * 0.03 + 0.02


def test_the_breeds_of_a_probe_are_all_taught(pets_training: tuple[Path, Trained]) -> None:
    _, trained = pets_training
    assert trained.evaluation.confusion.diagonal().all()


# Photos of each fit.


def test_a_share_of_each_breed_is_left_out() -> None:
    labels = np.repeat([0, 1, 2, 3], [10, 4, 2, 1])
    photos = Split(tuple(Path(f"{i}.jpg") for i in range(len(labels))), labels)
    kept, left_out = split_for_calibration(photos, 0.2, seed=0)
    assert np.bincount(left_out.labels, minlength=4).tolist() == [2, 1, 1, 0]
    assert np.bincount(kept.labels, minlength=4).tolist() == [8, 3, 1, 1]
    assert {*kept.files} | {*left_out.files} == {*photos.files}
    for part in (kept, left_out):
        assert all(labels[photos.files.index(file)] == label for file, label in zip(*part, strict=True))
    assert split_for_calibration(photos, 0.2, seed=0)[1].files == left_out.files
    assert any(split_for_calibration(photos, 0.2, seed=seed)[1].files != left_out.files for seed in range(1, 5))


def test_without_photos_to_leave_out_training_is_an_error(pet_data: PetData, tmp_path: Path) -> None:
    one_each = Split(pet_data.train.files[::12], pet_data.train.labels[::12])
    assert one_each.labels.tolist() == [0, 1, 2]
    with pytest.raises(OptionsError, match="no breed has two photos to train on"):
        run(dataclasses.replace(pet_data, train=one_each), tmp_path / "pets")
    assert not [*tmp_path.iterdir()]


def test_validation_photos_do_not_change_the_model(pet_data: PetData, tmp_path: Path, quick: None) -> None:
    """Other validation photos change the metrics, but neither the weights nor the temperature nor the threshold."""
    others = Split(pet_data.valid.files[1:], (pet_data.valid.labels[1:] + 1) % 3)
    a = run(pet_data, tmp_path / "a").manifest
    b = run(dataclasses.replace(pet_data, valid=others), tmp_path / "b").manifest
    assert a.files[WEIGHTS] == b.files[WEIGHTS]
    assert (a.temperature, a.threshold) == (b.temperature, b.threshold)
    assert a.metrics["accuracy"] != b.metrics["accuracy"]


# Resuming.


def test_an_interrupted_training_resumes_and_ends_the_same(
    pet_data: PetData, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is interrupted in the first fit, in the second, and by a failing report."""
    uninterrupted = run(pet_data, tmp_path / "whole" / "pets").manifest
    out = tmp_path / "parts" / "pets"
    for moment in (1, 2):  # after the first fit's first epoch, and then after the second's
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "save", stop_at(moment))
            with pytest.raises(StoppedError):
                run(pet_data, out)
        assert [path.name for path in out.parent.iterdir()] == [".pets.checkpoint"]

    def fail(trained: Trained) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        run(pet_data, out, report=fail)
    assert (out / MANIFEST).is_file()
    reported: list[Trained] = []
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda *arguments: pytest.fail("trained again"))
        resumed = run(pet_data, out, report=reported.append, replace=True).manifest
    assert [path.name for path in out.parent.iterdir()] == ["pets"]
    assert sha256(out / WEIGHTS) == resumed.files[WEIGHTS] == uninterrupted.files[WEIGHTS]
    assert (resumed.temperature, resumed.threshold) == (uninterrupted.temperature, uninterrupted.threshold)
    assert [trained.manifest for trained in reported] == [resumed]


def test_other_options_are_rejected_unless_the_run_starts_anew(
    pet_data: PetData, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pets"
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", stop_at(1))
        with pytest.raises(StoppedError):
            run(pet_data, out)
    other = dataclasses.replace(SMALL, frozen_lr=0.5)
    with pytest.raises(CheckpointError, match=r"frozen_lr is 0\.5 here and"):
        run(pet_data, out, other)
    assert not out.exists()
    assert run(pet_data, out, other, resume=False).manifest.training["frozen_lr"] == 0.5


# Errors before any work.


def test_a_name_that_no_model_can_have_is_an_error(pet_data: PetData, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="can't be a model's"):
        run(pet_data, tmp_path / "pets", name="my pets")
    assert not [*tmp_path.iterdir()]


# The recipe `lesson`: graph, golden pictures and card of the other head.


@pytest.mark.integration
def test_the_lessons_recipe_ends_in_a_bundle(pet_data: PetData, tmp_path: Path) -> None:
    options = dataclasses.replace(
        SMALL,
        hidden=32,
        bn_final=True,
        train_bn=True,
        strength="lesson",
        epochs=1,
        late_size=96,
        late_epochs=1,
    )
    trained = run(pet_data, tmp_path / "pets", options)
    classifier = Classifier.load(tmp_path / "pets")
    assert (classifier.manifest.image.size, classifier.manifest.head.hidden) == (96, 32)
    assert len(trained.history.epochs) == 4
    assert "a hidden layer of 32 units, a linear layer and a batch norm" in " ".join(
        (tmp_path / "pets" / CARD).read_text().split()
    )
    image = classifier.manifest.image
    pixels = [crop(open_photo(file.read_bytes()), image.size, image.crop_pct)[0] for file in pet_data.valid.files]
    logits = classifier.run_network(pixels).logits
    np.testing.assert_allclose(logits, trained.evaluation.logits, atol=1e-4 * np.abs(logits).max())
    assert load_file(tmp_path / "pets" / WEIGHTS)["head.layers.2.weight"].dtype == np.float16
