"""Train the breed model: photos in, a bundle out.

Two fits. The first leaves a part of the training photos out, which tells how sure the network may be: the temperature
and the threshold for review come from it. The second takes all training photos with the same options and is what the
bundle holds. The photos to judge by take no part in either.
"""

import logging
from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pets import bundle as bundles
from pets.classifier import Classifier
from pets.graph import INPUTS, OUTPUTS, Rival, Target
from pets.images import crop, normalise, open_photo
from runtime.bundle import Golden
from schemas.pets.manifest import BreedSpec, ImageSpec, PetsManifest
from training.checkpoint_folder import checkpoints
from training.export import refer_to_weights, to_onnx
from training.history import History
from training.lr_finder import FoundLR
from training.options import OptionsError, check_name
from training.pets.batchnorm_folding import fold_norms
from training.pets.calibration import choose_threshold, fit_temperature, softmax
from training.pets.card import model_card
from training.pets.data.photos import PetData, Split
from training.pets.evaluation import BreedEvaluation
from training.pets.fit import Fit, Options
from training.pets.network import ExplainedNet, PetNet

log = logging.getLogger(__name__)

GOLDEN_PICTURES = 4


class Trained(NamedTuple):
    """What training gives beside the bundle that it wrote.

    Attributes:
        manifest: the bundle's.
        evaluation: of the bundle on the photos to judge by.
        classifier: the bundle's.
        history: of the first fit, with its accuracy on the photos that it left out.
        lr: what the learning-rate finder saw before the first fit; nothing if the loss diverged at once.
    """

    manifest: PetsManifest
    evaluation: BreedEvaluation
    classifier: Classifier
    history: History
    lr: FoundLR | None


def train(
    data: PetData,
    out: Path,
    options: Options,
    *,
    device: str = "cpu",
    name: str = "pets",
    replace: bool = False,
    resume: bool = True,
    progress: bool | None = None,
    report: Callable[[Trained], None] | None = None,
) -> Trained:
    """Train, judge, and write a bundle; interrupted, it goes on after the last finished epoch.

    Args:
        data: photos and their breeds.
        out: the bundle's folder. Checkpoints lie beside it until it is complete.
        options: how to train.
        device: where to train.
        name: the model's name.
        replace: whether a bundle that is there already may be replaced.
        resume: whether to go on from a checkpoint; else it starts anew.
        progress: show a bar; only on a terminal if left out.
        report: called with the result before the checkpoints go: if it fails, the next run is done in a moment.

    Returns:
        What the report is written of.

    Raises:
        OptionsError: if the name can't be a model's, or there are too few photos to leave one out.
        BackboneError: if the backbone can't be had.
        PhotosError: if a photo can't be read.
        RunningError: if another training is about to write the bundle.
        CheckpointError: if the checkpoint is of other photos or options.
        DivergedError: if the loss is no number any more.
    """
    check_name(name)
    kept, left_out = parted(data.train, options.calibrate_pct, options.seed)
    if not left_out.files:
        raise OptionsError("no breed has two photos to train on, one of which calibration could take; give more")
    common: dict[str, Any] = {"device": device, "progress": progress}
    with checkpoints(out, resume=resume) as folder:
        log.info("first fit: %d photos; %d are left out to calibrate with", len(kept.files), len(left_out.files))
        first = Fit(data, kept, options, judge=left_out, folder=folder / "first", **common).run()
        logits = first.logits(left_out)
        temperature = fit_temperature(logits, left_out.labels)
        threshold = choose_threshold(softmax(logits, temperature), left_out.labels, options.target)
        log.info(
            "temperature %.3f, threshold %.3f; second fit: %d photos", temperature, threshold, len(data.train.files)
        )
        final = Fit(data, data.train, options, folder=folder / "all", **common).run()
        fold_norms(final.net, options.served_size)
        weights = _round(final.net)
        classes = [BreedSpec(name=each.name, species=each.species) for each in data.classes]
        evaluation = BreedEvaluation(
            final.logits(data.valid),
            data.valid.labels,
            [(each.name, each.species) for each in classes],
            data.valid.files,
            temperature,
            threshold,
        )
        image = ImageSpec(
            size=options.served_size, crop_pct=options.crop_pct, mean=final.backbone.mean, std=final.backbone.std
        )
        photos = np.bincount(data.train.labels, minlength=len(classes)).tolist()
        manifest: dict[str, Any] = {
            "name": name,
            "created": datetime.now(UTC).replace(microsecond=0),
            "classes": [each.model_dump() for each in classes],
            "image": image.model_dump(),
            "backbone": final.backbone.model_dump(),
            "head": final.net.head.spec.model_dump(),
            "temperature": temperature,
            "threshold": threshold,
            "metrics": {"split": "official test" if data.layout == "oxford" else "held out", **evaluation.metrics()},
            "training": {
                **asdict(options),
                "photos": len(data.train.files),
                "photos_by_class": {each.name: many for each, many in zip(classes, photos, strict=True)},
                **({"data": "oxford-iiit-pet"} if data.layout == "oxford" else {}),
                "torch": torch.__version__,
            },
        }
        whole = bundles.save(
            out,
            manifest,
            weights=weights,
            network=lambda file: refer_to_weights(_exported(final.net, image.size, device), file, prefix="net."),
            golden=_golden(final.net, image),
            card=model_card(manifest),
            replace=replace,
        )
        trained = Trained(whole, evaluation, Classifier.load(out, threads=0), first.history, first.found)
        if report is not None:
            report(trained)
    return trained


def parted(photos: Split, share: float, seed: int) -> tuple[Split, Split]:
    """Photos to train on, and a share of each breed, at least one photo, that is left out.

    A breed with a single photo keeps it.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros(len(photos.files), bool)
    for label in np.unique(photos.labels):
        own = rng.permutation(np.flatnonzero(photos.labels == label))
        out[own[: min(max(round(share * len(own)), 1), len(own) - 1)]] = True
    return _where(photos, ~out), _where(photos, out)


def _where(photos: Split, chosen: NDArray[np.bool_]) -> Split:
    files = tuple(file for file, taken in zip(photos.files, chosen, strict=True) if taken)
    return Split(files, photos.labels[chosen])


def _round(net: PetNet) -> dict[str, NDArray[np.generic]]:
    """The weights as they are saved: matrices and filters in half precision, to which the network's are rounded."""
    rounded = {}
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.dim() > 1:
                tensor.copy_(tensor.half())
                rounded[name] = tensor.half().cpu().numpy()
            else:
                rounded[name] = tensor.cpu().numpy()
    return rounded


def _exported(net: PetNet, size: int, device: str) -> bytes:
    """The network with its heatmaps as ONNX."""
    example = (
        torch.zeros((2, 3, size, size), device=device),
        torch.full((2,), Target.PREDICTED, device=device),
        torch.full((2,), Rival.RUNNER_UP, device=device),
    )
    return to_onnx(ExplainedNet(net).eval(), example, INPUTS, OUTPUTS)


def _golden(net: PetNet, image: ImageSpec) -> Golden:
    """Small made-up pictures, and what the network makes of them.

    On a CPU, whatever trained: a GPU's convolutions would be in TF32, and off by more than a bundle is let be.
    """
    rng = np.random.default_rng(0)
    explained, golden = ExplainedNet(deepcopy(net).cpu()).eval(), []
    for _ in range(GOLDEN_PICTURES):
        picture = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((96, 72))
        content = BytesIO()
        picture.save(content, "PNG")
        pixels, _box = crop(open_photo(content.getvalue()), image.size, image.crop_pct)
        seen = torch.from_numpy(normalise(pixels[None], image.mean, image.std))
        with torch.no_grad():
            one = torch.ones(1, dtype=torch.int64)
            logits, activation, gradcam, _, _ = explained(seen, Target.PREDICTED * one, Rival.NONE * one)
        golden.append(
            {
                "png": b64encode(content.getvalue()).decode(),
                "logits": logits[0].tolist(),
                "activation": activation[0].tolist(),
                "gradcam": gradcam[0].tolist(),
            }
        )
    return golden
