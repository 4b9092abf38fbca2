"""Fit the breed network to photos, in the parts that the options describe."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pets.images import normalise
from runtime.cores import n_cores
from schemas.pets.manifest import BackboneSpec, HeadSpec
from training.device import fast_bfloat16
from training.loop.batches import Batches, predict
from training.loop.groups import freeze, spread_lr, unfreeze
from training.loop.history import History
from training.loop.learner import DivergedError, Learner
from training.loop.lr_finder import FoundLR
from training.pets.backbones import Backbone, make_backbone
from training.pets.data.augment import PRESETS
from training.pets.data.batches import PhotoBatches, crops
from training.pets.data.photos import PetData, Split
from training.pets.metrics import accuracy
from training.pets.network import Head, PetNet
from training.pets.options import Options
from training.pets.probe.cross_validation import fit_head
from training.pets.probe.features import PhotoFeatures, photo_features
from training.pets.probe.head import Linear

EVALUATION_BATCH = 32
CROPS = 512  # number of photos in memory at once

Evaluate = Callable[[nn.Module], Mapping[str, float]]


class Probe(NamedTuple):
    """Input of a linear probe.

    Attributes:
        features: features of the photos.
        classifier: the backbone's ImageNet classifier; None if it has none.
    """

    features: PhotoFeatures
    classifier: Linear | None


@dataclass(frozen=True)
class Fitted:
    """A trained network and the history of its training.

    Attributes:
        net: the network, in eval mode.
        backbone: specification of its backbone, for the manifest.
        options: options of the training.
        device: device of the network.
        history: losses, learning rates and accuracies of all epochs; empty for a linear probe alone.
        lr: result of the learning-rate finder before the first epoch; None if it was not run or the loss diverged.
        probe: input of the linear probe; None without one.
    """

    net: PetNet
    backbone: BackboneSpec
    options: Options
    device: str = "cpu"
    history: History = field(default_factory=History)
    lr: FoundLR | None = None
    probe: Probe | None = None

    def logits(self, photos: Split) -> NDArray[np.float32]:
        """Return the logits of photos at the size of serving, ``[photo, class]``."""
        size, crop_pct = self.options.served_size, self.options.crop_pct
        batches = [photos.files[start : start + CROPS] for start in range(0, len(photos.files), CROPS)]
        return np.concatenate([self.logits_of(crops(batch, size, crop_pct)) for batch in batches])

    def logits_of(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits of crops ``[photo, size, size, 3]``, ``[photo, class]``."""
        return _outputs(self.net, pixels, self.backbone, self.device)


@dataclass(frozen=True)
class _Job:
    """Data and settings that all parts of a fit share.

    Attributes:
        data: photos and breeds of the training.
        photos: photos to train on.
        options: options that decide the result.
        backbone: specification of the backbone.
        device: device to train on.
        holdout: photos to evaluate on after each epoch.
        folder: folder of the checkpoints.
        progress: show a progress bar; if None, only on a terminal.
    """

    data: PetData
    photos: Split
    options: Options
    backbone: BackboneSpec
    device: str
    holdout: Split | None = None
    folder: Path | None = None
    progress: bool | None = None

    @property
    def bfloat16(self) -> bool:
        """True if the device computes in bfloat16."""
        return fast_bfloat16(self.device) if self.options.bfloat16 is None else self.options.bfloat16


def fit(
    data: PetData,
    photos: Split,
    options: Options,
    *,
    device: str = "cpu",
    holdout: Split | None = None,
    folder: Path | None = None,
    progress: bool | None = None,
) -> Fitted:
    """Train a new network on photos.

    Args:
        data: the photos' data set, with its breeds.
        photos: photos to train on.
        options: options that decide the result.
        device: device to train on.
        holdout: photos to evaluate on after each epoch. The accuracy goes to the progress bar and the history. With a
            holdout and frozen epochs, the learning-rate finder runs first, on a copy of the network.
        folder: folder to save checkpoints to after each epoch, and to resume from.
        progress: show a progress bar; if None, only on a terminal.

    Raises:
        PhotosError: if a photo can't be read.
        CheckpointError: if the checkpoint belongs to other photos or options.
        DivergedError: if the loss becomes infinite or NaN.
    """
    net, (_, backbone, classifier) = new_network(len(data.classes), options, device)
    job = _Job(data, photos, options, backbone, device, holdout, folder, progress)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    probe = None if options.prior is None else _fit_probe(job, net, classifier)
    history, found = History(), None
    if options.epochs_in_all:
        learner, found = _train_on_photos(job, net)
        history = learner.history
    net.eval()
    return Fitted(net, backbone, options, device, history, found, probe)


def lr_find(data: PetData, photos: Split, options: Options, *, device: str = "cpu") -> FoundLR:
    """Run the learning-rate finder on the first part with gradient steps.

    Raises:
        OptionsError: if no part has gradient steps.
        DivergedError: if the loss grows at once.
    """
    options.check_learning_rate()
    net, (_, backbone, _) = new_network(len(data.classes), options, device)
    job = _Job(data, photos, options, backbone, device)
    if options.frozen_epochs:
        _freeze_body(net, options)
    return _learner(job, net, groups=net.groups()).lr_find(_photo_batches(job, options.size))


def new_network(n_classes: int, options: Options, device: str = "cpu") -> tuple[PetNet, Backbone]:
    """Return a network with a pretrained backbone and a new head, and the backbone."""
    torch.manual_seed(options.seed)
    backbone = make_backbone(options.backbone, pretrained=True)
    spec = HeadSpec(hidden=options.hidden, p=options.p, bn_final=options.bn_final)
    net = PetNet(backbone.body, Head(backbone.spec.channels, n_classes, spec), train_bn=options.train_bn)
    # Convolutions are faster with channels last: measured 3 times as fast on a CPU.
    return net.to(device).to(memory_format=torch.channels_last), backbone


def _fit_probe(job: _Job, net: PetNet, classifier: Linear | None) -> Probe:
    """Fit the head to the features of the frozen backbone, and return them."""
    options = job.options
    features = photo_features(
        net.eval(),
        job.backbone,
        job.photos,
        size=options.size,
        crop_pct=options.crop_pct,
        copies=0 if options.epochs_in_all else options.copies,
        device=job.device,
        bfloat16=job.bfloat16,
        seed=options.seed,
        file=None if job.folder is None else job.folder / f"features-{_features_digest(job)}.safetensors",
        progress=job.progress,
    )
    net.head.set_linear(fit_head(features, job.photos.labels, len(job.data.classes), classifier, options))
    return Probe(features, classifier)


def _train_on_photos(job: _Job, net: PetNet) -> tuple[Learner, FoundLR | None]:
    """Train the parts that run the backbone on photos: a frozen one without stored features, and the whole network."""
    options, found = job.options, None
    frozen = bool(options.frozen_epochs)
    new_net = deepcopy(net) if frozen and job.holdout is not None else None  # the learner may load a checkpoint
    learner = _learner(job, net, "all.ckpt", groups=net.groups())
    if frozen:
        if new_net is not None:
            _freeze_body(new_net, options)
            found = _find_lr(job, new_net, _photo_batches(job, options.size), new_net.groups())
        _freeze_body(net, options)
        _train_part(job, learner, options.frozen_epochs, options.frozen_lr, options.size)
        unfreeze(net.body)
    for size, epochs, rates in (
        (options.size, options.epochs, options.lr),
        (options.served_size, options.late_epochs, options.late_lr),
    ):
        if epochs:
            _train_part(job, learner, epochs, spread_lr(*rates, len(learner.groups)), size)
    return learner, found


def _train_part(job: _Job, learner: Learner, epochs: int, lr: float | list[float], size: int) -> None:
    """Train one part on photos."""
    evaluate = None if job.holdout is None else _evaluation(job, job.holdout, size)
    learner.fit_one_cycle(_photo_batches(job, size), epochs, lr, pct_start=job.options.pct_start, evaluate=evaluate)


def _evaluation(job: _Job, holdout: Split, size: int) -> Evaluate:
    """Return a function that computes a network's accuracy on the holdout."""
    pixels = crops(holdout.files, size, job.options.crop_pct)

    def evaluate(model: nn.Module) -> Mapping[str, float]:
        return {"accuracy": accuracy(holdout.labels, _outputs(model, pixels, job.backbone, job.device).argmax(1))}

    return evaluate


def _freeze_body(net: PetNet, options: Options) -> None:
    """Freeze the backbone, but not its batch norms if they train."""
    if options.train_bn:
        freeze(net.body)
    else:
        net.body.requires_grad_(False)


def _find_lr(
    job: _Job, model: nn.Module, batches: Batches, groups: Sequence[nn.Module] | None = None
) -> FoundLR | None:
    """Return the result of the learning-rate finder for the report's plot; None, for no plot, if the loss diverged."""
    with suppress(DivergedError):
        return _learner(job, model, groups=groups).lr_find(batches)
    return None


def _learner(
    job: _Job, model: nn.Module, checkpoint: str | None = None, *, groups: Sequence[nn.Module] | None = None
) -> Learner:
    """Return the learner of a model. Its checkpoint fits these photos and options only."""
    options = job.options
    return Learner(
        model,
        nn.CrossEntropyLoss(label_smoothing=options.smoothing),
        groups=groups,
        wd=options.wd,
        bfloat16=job.bfloat16,
        device=job.device,
        seed=options.seed,
        checkpoint=None if job.folder is None or checkpoint is None else job.folder / checkpoint,
        fingerprint=_fingerprint(job),
        progress=job.progress,
    )


def _photo_batches(job: _Job, size: int) -> PhotoBatches:
    """Return batches of augmented photos."""
    options = job.options
    return PhotoBatches(
        job.photos,
        size=size,
        crop_pct=options.crop_pct,
        mean=job.backbone.mean,
        std=job.backbone.std,
        strengths=PRESETS[options.strength],
        batch_size=options.batch_size,
        balanced=options.balanced,
        # On a CPU the network has the other cores; a GPU waits for photos.
        threads=1 if job.device == "cpu" else n_cores(),
        device=job.device,
    )


def _outputs(model: nn.Module, pixels: NDArray[np.uint8], backbone: BackboneSpec, device: str) -> NDArray[np.float32]:
    """Return the outputs of a model for photos ``[photo, size, size, 3]``.

    Photos are normalised batch by batch, because float32 takes four times the memory.
    """
    batches = [pixels[start : start + EVALUATION_BATCH] for start in range(0, len(pixels), EVALUATION_BATCH)]
    images = (torch.from_numpy(normalise(batch, backbone.mean, backbone.std)) for batch in batches)
    return np.concatenate([predict(model, batch, device=device) for batch in images])


def _features_digest(job: _Job) -> str:
    """Return a hash of everything that the features depend on."""
    options = job.options
    inputs = [
        job.data.fingerprint(),
        len(job.photos.files),
        options.backbone,
        *(options.size, options.crop_pct, options.copies, options.seed),
        PhotoFeatures._fields,
        job.bfloat16,
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:12]


def _fingerprint(job: _Job) -> dict[str, Any]:
    """Return everything that must be the same when a training resumes."""
    photos = [job.data.fingerprint(), len(job.photos.files)]
    return {"photos": photos, **json.loads(json.dumps(asdict(job.options)))}
