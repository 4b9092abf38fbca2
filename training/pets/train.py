"""Train the breed model: photos in, a bundle and a report out.

The bundle holds a fit to all training photos. Temperature and thresholds come from logits of photos that the network
was not trained on, as they are and as shifted copies: by cross-validation for a linear probe, else by a first fit that
leaves a part of the training photos out. None of them sees the validation photos.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from pets import bundle as bundles
from pets.classifier import Classifier
from pets.images import normalise
from runtime.shares import wilson
from schemas.pets.manifest import BreedSpec, ImageSpec, PetsManifest
from training.checkpoint_folder import checkpoints
from training.export import refer_to_weights
from training.loop.history import History
from training.loop.lr_finder import FoundLR
from training.options import OptionsError, check_name
from training.pets.calibration import Calibration, calibrate
from training.pets.card import OXFORD, model_card
from training.pets.data.batches import crops
from training.pets.data.photos import PetData, Split
from training.pets.evaluation import Evaluation
from training.pets.export.batchnorm_folding import fold_norms
from training.pets.export.bundle_parts import exported_network, golden_pictures, rounded_weights
from training.pets.export.features import features_network
from training.pets.export.int8 import MAX_FALL, PHOTOS, int8_network, logits
from training.pets.fit import Fitted, fit
from training.pets.metrics import mean_over_classes
from training.pets.novelty import Novelty
from training.pets.options import Options
from training.pets.probe.cross_validation import LeftOut, cross_validate, leave_classes_out
from training.pets.probe.features import shifted_crops
from training.pets.probe.head import Linear
from training.run import Run

logger = logging.getLogger(__name__)


class Trained(NamedTuple):
    """Result of a training, besides the bundle that it wrote.

    Attributes:
        manifest: manifest of the bundle.
        evaluation: evaluation of the bundle's network on the validation photos.
        classifier: classifier of the bundle.
        history: history of the fit that left photos out, with its accuracy on them; empty for a linear probe.
        lr: result of the learning-rate finder before that fit; None for a linear probe, or if the loss diverged.
    """

    manifest: PetsManifest
    evaluation: Evaluation
    classifier: Classifier
    history: History
    lr: FoundLR | None


def train(data: PetData, out: Path, options: Options, run: Run[Trained]) -> Trained:
    """Train and evaluate a model and write its bundle; an interrupted run resumes after its last finished epoch.

    Args:
        data: photos and their breeds.
        out: the bundle's folder. Checkpoints lie beside it until the bundle is complete.
        options: options that decide the result.
        run: settings of this run.

    Raises:
        OptionsError: if the model can't have this name, or there are too few photos to leave one out.
        BackboneError: if the backbone can't be loaded.
        PhotosError: if a photo can't be read.
        RunningError: if another training is writing the bundle.
        CheckpointError: if the checkpoint belongs to other photos or options.
        DivergedError: if the loss becomes infinite or NaN.
    """
    check_name(run.name)
    if np.bincount(data.train.labels).max(initial=0) < 2:
        raise OptionsError("no breed has two photos to train on, one of which calibration could take; give more")
    with checkpoints(out, resume=run.resume) as folder:
        history, lr = History(), None
        if options.epochs_in_all:
            kept, left_out = split_for_calibration(data.train, options.calibrate_pct, options.seed)
            logger.info("first fit: %d photos; %d are left out to calibrate with", len(kept.files), len(left_out.files))
            first = fit(
                data,
                kept,
                options,
                device=run.device,
                holdout=left_out,
                folder=folder / "first",
                progress=run.progress,
            )
            history, lr = first.history, first.lr
            judged = _logits_of_left_out(first, left_out)
        logger.info("fit: %d photos", len(data.train.files))
        final = fit(data, data.train, options, device=run.device, folder=folder / "all", progress=run.progress)
        if final.probe is not None and not options.epochs_in_all:
            judged = cross_validate(final.probe.features, data.train.labels, *_heads(final, data))
        calibration = calibrate(
            judged.plain,
            judged.shifted,
            judged.labels,
            target=options.target,
            false_alarms=options.false_alarms,
            seed=options.seed,
        )
        novelty = None
        if final.probe is not None and not options.epochs_in_all:
            novelty = leave_classes_out(
                final.probe.features,
                data.train.labels,
                *_heads(final, data),
                known_threshold=calibration.known_threshold,
            )
        logger.info("temperature %.3f, threshold %.3f, known from a logit of %.2f", *calibration)
        fold_norms(final.net, options.served_size)
        weights = rounded_weights(final.net)
        evaluation = Evaluation(
            final.logits(data.valid),
            data.valid.labels,
            [(breed.name, breed.species) for breed in data.classes],
            data.valid.files,
            *calibration,
            final.logits(Split(data.unlike, np.zeros(0, np.int64))).max(axis=1) if data.unlike else None,
        )
        image = ImageSpec(
            size=options.served_size, crop_pct=options.crop_pct, mean=final.backbone.mean, std=final.backbone.std
        )
        network = exported_network(final)
        int8 = _int8_network(network, final, data, evaluation) if options.int8 else None
        left_out_figures = left_out_metrics(judged, calibration, evaluation.classes, novelty)
        manifest = _manifest(data, final, evaluation, image, left_out_figures, name=run.name)
        manifest["metrics"]["int8"] = int8.figures if int8 else None
        refer = partial(refer_to_weights, prefix="net.")
        bundle = bundles.save(
            out,
            manifest,
            weights=weights,
            network=partial(refer, network),
            int8_network=partial(refer, int8.network) if int8 else None,
            features=partial(refer, features_network(final.net, image.size)),
            golden=golden_pictures(final.net, image),
            card=model_card(manifest),
            replace=run.replace,
        )
        trained = Trained(bundle, evaluation, Classifier.load(out, threads=0), history, lr)
        if run.report is not None:
            run.report(trained)
    return trained


class _Int8(NamedTuple):
    """A network with convolutions in 8 bits, and its figures on the validation photos."""

    network: bytes
    figures: dict[str, float]


def _int8_network(network: bytes, final: Fitted, data: PetData, evaluation: Evaluation) -> _Int8 | None:
    """Return the network with convolutions in 8 bits, or None if it loses more accuracy than MAX_FALL."""
    options = final.options

    def images(files: Sequence[Path]) -> NDArray[np.float32]:
        pixels = crops(files, options.served_size, options.crop_pct)
        return normalise(pixels, final.backbone.mean, final.backbone.std)

    chosen = np.linspace(0, len(data.train.files) - 1, min(PHOTOS, len(data.train.files))).astype(int)
    quantised = int8_network(network, images([data.train.files[index] for index in chosen]))
    predicted = logits(quantised, (images([file])[0] for file in data.valid.files)).argmax(axis=1)
    accuracy = float(np.mean(predicted == data.valid.labels))
    fall = float(np.mean(evaluation.predicted == data.valid.labels)) - accuracy
    logger.info("8 bits: the accuracy falls by %.2f points", 100 * fall)
    if fall > MAX_FALL:
        return None
    return _Int8(quantised, {"accuracy": accuracy, "other_breed": float(np.mean(predicted != evaluation.predicted))})


def split_for_calibration(photos: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Return the photos to train on, and a share of each breed, at least one photo, to calibrate with.

    A breed with a single photo keeps it.
    """
    rng = np.random.default_rng(seed)
    left_out = np.zeros(len(photos.files), bool)
    for label in np.unique(photos.labels):
        rows = rng.permutation(np.flatnonzero(photos.labels == label))
        left_out[rows[: min(max(round(share * len(rows)), 1), len(rows) - 1)]] = True
    return _select(photos, ~left_out), _select(photos, left_out)


def _select(photos: Split, chosen: NDArray[np.bool_]) -> Split:
    """Return the photos for which ``chosen``, ``[photo]``, is true."""
    files = tuple(file for file, taken in zip(photos.files, chosen, strict=True) if taken)
    return Split(files, photos.labels[chosen])


def left_out_metrics(
    judged: LeftOut, calibration: Calibration, classes: Sequence[tuple[str, str | None]], novelty: Novelty | None
) -> dict[str, Any]:
    """Return the figures of photos that were left out of a fit, as they are and as shifted copies."""
    copies = len(judged.shifted)
    plain = Evaluation(judged.plain, judged.labels, classes, [Path()] * len(judged.labels), *calibration)
    labels = np.tile(judged.labels, copies)
    shifted = Evaluation(np.concatenate(judged.shifted), labels, classes, [Path()] * len(labels), *calibration)
    figures: dict[str, Any] = {"plain": plain.metrics(), "shifted": _of_copies(shifted, copies)}
    if novelty is not None:
        figures["unknown_breeds"] = {**novelty._asdict(), "interval": list(novelty.interval)}
    return figures


def _logits_of_left_out(fitted: Fitted, photos: Split) -> LeftOut:
    """Return the logits of photos that the network was not trained on, and of shifted copies of them."""
    options = fitted.options
    copies = shifted_crops(
        photos.files, options.served_size, options.crop_pct, copies=options.copies, seed=options.seed
    )
    return LeftOut(photos.labels, fitted.logits(photos), np.stack([fitted.logits_of(pixels) for pixels in copies]))


def _of_copies(evaluation: Evaluation, copies: int) -> dict[str, Any]:
    """Return the figures of shifted copies. Copies are not independent, so they make no interval narrower."""
    accepted, (_, mean_interval) = evaluation.accepted, mean_over_classes(evaluation.confusion / copies)
    return {
        **evaluation.metrics(),
        "copies": copies,
        "accuracy_interval": list(wilson(evaluation.all.right / copies, len(evaluation) / copies)),
        "mean_over_breeds_interval": list(mean_interval),
        "accepted_accuracy_interval": list(wilson(accepted.right / copies, accepted.photos / copies)),
    }


def _heads(fitted: Fitted, data: PetData) -> tuple[int, Linear | None, Options]:
    """Return what a head of the linear probe is fitted with, besides photos."""
    assert fitted.probe is not None
    return len(data.classes), fitted.probe.classifier, fitted.options


def _manifest(
    data: PetData,
    fitted: Fitted,
    evaluation: Evaluation,
    image: ImageSpec,
    left_out: Mapping[str, Any],
    *,
    name: str,
) -> dict[str, Any]:
    """Return the fields of the bundle's manifest, except those that saving adds."""
    classes = [BreedSpec(name=breed.name, species=breed.species) for breed in data.classes]
    counts = np.bincount(data.train.labels, minlength=len(classes)).tolist()
    official = data.layout == "oxford"
    return {
        "name": name,
        "created": datetime.now(UTC).replace(microsecond=0),
        "classes": [breed.model_dump() for breed in classes],
        "image": image.model_dump(),
        "backbone": fitted.backbone.model_dump(),
        "head": fitted.net.head.spec.model_dump(),
        "temperature": evaluation.temperature,
        "threshold": evaluation.threshold,
        "known_threshold": evaluation.known_threshold,
        "review_share": fitted.options.review_share,
        "metrics": {
            "split": "official test" if official else "held out",
            **evaluation.metrics(),
            "left_out": left_out,
        },
        "training": {
            **asdict(fitted.options),
            "photos": len(data.train.files),
            "photos_by_class": {breed.name: count for breed, count in zip(classes, counts, strict=True)},
            **({"data": OXFORD} if official else {}),
            "torch": torch.__version__,
        },
    }
