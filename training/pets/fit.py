"""Fit the breed network to photos: the options, the parts of training, the network.

Training has up to three parts, in this order: the head alone, with the backbone frozen; all of it; all of it again with
larger photos, which is the lesson's progressive resizing.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pets.images import normalise
from schemas.pets.manifest import BackboneSpec, HeadSpec
from training.batches import Batches, TensorBatches, predict
from training.device import fast_bfloat16
from training.groups import freeze, spread_lr, unfreeze
from training.history import Epoch, History
from training.learner import DivergedError, Learner
from training.lr_finder import FoundLR
from training.options import OptionsError
from training.pets.backbones import make_backbone
from training.pets.data.augment import PRESETS
from training.pets.data.batches import PhotoBatches, crops
from training.pets.data.photos import PetData, Split
from training.pets.features import Pooled, PooledHead, pooled_features
from training.pets.metrics import accuracy
from training.pets.network import Head, PetNet

log = logging.getLogger(__name__)

EVALUATION_BATCH = 32
Recipe = Literal["default", "lesson"]


@dataclass(frozen=True)
class Options:
    """How to train. The defaults are those of the bundle that ships; a part with no epochs is left out.

    Attributes:
        backbone: by name, as ``training.pets.backbones.make_backbone`` takes it.
        hidden: units of the head's hidden layer, behind concat pooling; None for one linear layer.
        p: dropout before the last layer.
        bn_final: whether a batch norm follows the last layer.
        size: of the photos in the first two parts, pixels.
        late_size: of the photos in the third part.
        crop_pct: share of a photo's shorter side that the network sees.
        strength: of the augmentation, by name.
        batch_size: photos in a batch.
        balanced: whether each breed is drawn equally often, however many photos it has.
        smoothing: of the labels.
        frozen_epochs: of the first part.
        frozen_lr: highest learning rate in it.
        passes: augmented passes over the photos whose features are kept, to train the head on in the first part; None
            or 0 to compute them anew for every epoch.
        epochs: of the second part.
        lr: highest learning rates in it, of the first layers and of the head.
        late_epochs: of the third part.
        late_lr: highest learning rates in it.
        pct_start: share of each part in which the rate rises.
        wd: weight decay.
        train_bn: whether the backbone's batch norms follow the photos in every part, and learn while it is frozen.
        calibrate_pct: share of the training photos that the first fit leaves out.
        target: accuracy that accepted photos are to have.
        bfloat16: whether to compute in it; None if the device is faster in it.
        seed: of the initial weights, the order and the augmentation.
    """

    backbone: str = "efficientnet_lite1+efficientnet_lite2"
    hidden: int | None = None
    p: float = 0.5
    bn_final: bool = False
    size: int = 288
    late_size: int | None = None
    crop_pct: float = 1.0
    strength: str = "flip"
    batch_size: int = 64
    balanced: bool = True
    smoothing: float = 0.0
    frozen_epochs: int = 15
    frozen_lr: float = 2e-3
    passes: int | None = 4
    epochs: int = 0
    lr: tuple[float, float] = (1e-5, 1e-4)
    late_epochs: int = 0
    late_lr: tuple[float, float] = (1e-6, 1e-5)
    pct_start: float = 0.3
    wd: float = 0.01
    train_bn: bool = False
    calibrate_pct: float = 0.2
    target: float = 0.99
    bfloat16: bool | None = None
    seed: int = 0

    @classmethod
    def of(cls, recipe: Recipe, **given: Any) -> "Options":
        """The defaults of a recipe, and what is given instead.

        Raises:
            OptionsError: if options do not go together.
        """
        options = cls(**({**LESSON, **given} if recipe == "lesson" else given))
        if options.strength not in PRESETS:
            raise OptionsError(f"strength is {options.strength!r}; it is one of {', '.join(PRESETS)}")
        if not options.frozen_epochs + options.epochs + options.late_epochs:
            raise OptionsError("no part has an epoch; give --frozen-epochs, --epochs or --late-epochs")
        if options.passes and options.train_bn:
            raise OptionsError("features can't be kept while the backbone's batch norms learn; give --passes 0")
        return options

    @property
    def served_size(self) -> int:
        """Side of the network's input when it serves, pixels."""
        return self.late_size if self.late_size is not None and self.late_epochs else self.size


# lesson6-pets-more.ipynb: resnet34 at 224 pixels, frozen and unfrozen, then at 352.
LESSON: Mapping[str, Any] = {
    "backbone": "resnet34",
    "hidden": 512,
    "p": 0.5,
    "bn_final": True,
    "size": 224,
    "late_size": 352,
    "strength": "lesson",
    "balanced": False,
    "batch_size": 64,
    "frozen_epochs": 3,
    "frozen_lr": 1e-2,
    "passes": None,
    "epochs": 2,
    "lr": (1e-6, 1e-3),
    "late_epochs": 2,
    "late_lr": (1e-6, 1e-4),
    "pct_start": 0.8,
    "train_bn": True,
}


@dataclass
class Fit:
    """One fit: a new network, the photos that it is trained on, and how it came to be.

    Attributes:
        data: for its breeds.
        photos: to train on.
        options: how.
        judge: photos to look at after each epoch: the accuracy on them goes to the progress bar and the history. The
            learning-rate finder has a look, too, and leaves no trace.
        device: where to train.
        folder: for checkpoints, saved after each epoch, to go on from.
        progress: show a bar; only on a terminal if left out.
        net: pretrained, with a new head; ``run`` trains it.
        history: losses, rates and accuracy of all parts.
        found: what the learning-rate finder saw before the first part; nothing if the loss diverged at once.
    """

    data: PetData
    photos: Split
    options: Options
    judge: Split | None = None
    device: str = "cpu"
    folder: Path | None = None
    progress: bool | None = None
    net: PetNet = field(init=False)
    backbone: BackboneSpec = field(init=False)
    history: History = field(init=False, default_factory=History)
    found: FoundLR | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        options = self.options
        torch.manual_seed(options.seed)
        body, self.backbone = make_backbone(options.backbone, pretrained=True)
        head = HeadSpec(hidden=options.hidden, p=options.p, bn_final=options.bn_final)
        net = PetNet(body, Head(self.backbone.channels, len(self.data.classes), head), train_bn=options.train_bn)
        # Channels last is how a CPU's and a GPU's convolutions like it: 3 times as fast on the CPU measured.
        self.net = net.to(self.device).to(memory_format=torch.channels_last)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def run(self) -> "Fit":
        """Train all parts; the network is left in eval mode.

        Raises:
            PhotosError: if a photo can't be read.
            CheckpointError: if the checkpoint is of other photos or options.
            DivergedError: if the loss is no number any more.
        """
        options, net = self.options, self.net
        if options.frozen_epochs and options.passes:
            self._train_on_features(options.passes)
        on_photos = options.frozen_epochs and not options.passes
        fresh = deepcopy(net) if on_photos and self.judge is not None else None  # a checkpoint's has been trained
        whole = self._learner(net, "all.ckpt", groups=net.groups())
        if on_photos:
            if fresh is not None:
                self._freeze(fresh)
                self._find(fresh, self._batches(options.size), fresh.groups())
            self._freeze(net)
            self._cycle(whole, options.frozen_epochs, options.frozen_lr, options.size)
            unfreeze(net.body)
        for size, epochs, rates in (
            (options.size, options.epochs, options.lr),
            (options.served_size, options.late_epochs, options.late_lr),
        ):
            if epochs:
                self._cycle(whole, epochs, spread_lr(*rates, len(whole.groups)), size)
        self._remember(whole.history)
        net.eval()
        return self

    def look_for_rate(self) -> FoundLR:
        """Run the learning-rate finder on the first part; the network stays as it is.

        Raises:
            DivergedError: if the loss grows at once.
        """
        if self.options.passes:
            return self._learner(PooledHead(self.net.head), None).lr_find(self._rows(self.options.passes))
        self._freeze(self.net)
        try:
            learner = self._learner(self.net, None, groups=self.net.groups())
            return learner.lr_find(self._batches(self.options.size))
        finally:
            unfreeze(self.net.body)

    def logits(self, photos: Split) -> NDArray[np.float32]:
        """What the network says of photos as it will serve, ``[photo, class]``."""
        return self._said(self.net, self._seen(photos, self.options.served_size))

    def _train_on_features(self, passes: int) -> None:
        """The first part, on features that are computed once."""
        options, judge = self.options, self.judge
        head = PooledHead(self.net.head)
        fresh = deepcopy(head)  # a checkpoint's has been trained
        learner = self._learner(head, "head.ckpt")  # before the features: it may refuse the checkpoint
        rows = self._rows(passes)
        evaluate = None
        if judge is not None:
            pooled = torch.from_numpy(self._said(Pooled(self.net), self._seen(judge, options.size)))
            self._find(fresh, rows)

            def evaluate(model: nn.Module) -> Mapping[str, float]:
                return {"accuracy": accuracy(judge.labels, predict(model, pooled, device=self.device).argmax(1))}

        learner.fit_one_cycle(
            rows, options.frozen_epochs, options.frozen_lr, pct_start=options.pct_start, evaluate=evaluate
        )
        self._remember(learner.history)

    def _rows(self, passes: int) -> TensorBatches:
        """Batches of pooled features; each photo is there once a pass, and drawn as often as it should be."""
        file = None if self.folder is None else self.folder / f"features-{self._digest()}.safetensors"
        features, labels = pooled_features(
            self.net,
            self._batches(self.options.size, balanced=False),
            passes,
            device=self.device,
            bfloat16=self._bfloat16,
            seed=self.options.seed,
            file=file,
            progress=self.progress,
        )
        weights = 1 / torch.bincount(labels).float()[labels] if self.options.balanced else None
        return TensorBatches(features, labels, batch_size=self.options.batch_size, weights=weights)

    def _cycle(self, learner: Learner, epochs: int, lr: float | list[float], size: int) -> None:
        """One part on photos."""
        judge, evaluate = self.judge, None
        if judge is not None:
            seen = self._seen(judge, size)

            def evaluate(model: nn.Module) -> Mapping[str, float]:
                return {"accuracy": accuracy(judge.labels, self._said(model, seen).argmax(1))}

        learner.fit_one_cycle(self._batches(size), epochs, lr, pct_start=self.options.pct_start, evaluate=evaluate)

    def _freeze(self, net: PetNet) -> None:
        """The backbone is not trained, but for its batch norms if they learn."""
        if self.options.train_bn:
            freeze(net.body)
        else:
            net.body.requires_grad_(False)

    def _find(self, model: nn.Module, batches: Batches, groups: list[nn.Module] | None = None) -> None:
        """A look at learning rates, for the report."""
        with suppress(DivergedError):  # a plot less
            self.found = self._learner(model, None, groups=groups).lr_find(batches)

    def _learner(self, model: nn.Module, checkpoint: str | None, *, groups: list[nn.Module] | None = None) -> Learner:
        options = self.options
        return Learner(
            model,
            nn.CrossEntropyLoss(label_smoothing=options.smoothing),
            groups=groups,
            wd=options.wd,
            bfloat16=self._bfloat16 and not isinstance(model, PooledHead),  # so small that it gains nothing
            device=self.device,
            seed=options.seed,
            checkpoint=None if self.folder is None or checkpoint is None else self.folder / checkpoint,
            fingerprint=self._fingerprint(),
            progress=self.progress,
        )

    @property
    def _bfloat16(self) -> bool:
        wanted = self.options.bfloat16
        return fast_bfloat16(self.device) if wanted is None else wanted

    def _digest(self) -> str:
        """Of all that the features follow from."""
        options = self.options
        whence = [
            self.data.fingerprint(),
            len(self.photos.files),
            options.backbone,
            options.hidden is None,
            *(options.size, options.crop_pct, options.strength, options.batch_size, options.passes, options.seed),
            self._bfloat16,
        ]
        return hashlib.sha256(json.dumps(whence).encode()).hexdigest()[:12]

    def _fingerprint(self) -> dict[str, Any]:
        """What must be the same for a training to go on."""
        photos = [self.data.fingerprint(), len(self.photos.files)]
        return {"photos": photos, **json.loads(json.dumps(asdict(self.options)))}

    def _batches(self, size: int, *, balanced: bool | None = None) -> PhotoBatches:
        return PhotoBatches(
            self.photos,
            size=size,
            crop_pct=self.options.crop_pct,
            mean=self.backbone.mean,
            std=self.backbone.std,
            strengths=PRESETS[self.options.strength],
            batch_size=self.options.batch_size,
            balanced=self.options.balanced if balanced is None else balanced,
            threads=1,
        )

    def _seen(self, photos: Split, size: int) -> NDArray[np.uint8]:
        """Photos as evaluation and serving see them, ``[photo, size, size, 3]``."""
        return crops(photos.files, size, self.options.crop_pct)

    def _said(self, model: nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What a model says of photos. They are normalised by batches: all of them would take four times the room."""
        batches = [pixels[start : start + EVALUATION_BATCH] for start in range(0, len(pixels), EVALUATION_BATCH)]
        mean, std = self.backbone.mean, self.backbone.std
        return np.concatenate(
            [predict(model, torch.from_numpy(normalise(each, mean, std)), device=self.device) for each in batches]
        )

    def _remember(self, history: History) -> None:
        """The history of one more learner."""
        before = len(self.history.epochs)
        self.history.losses += history.losses
        self.history.lrs += history.lrs
        self.history.epochs += [
            Epoch(before + each.number, each.stage, each.loss, each.metrics, each.seconds) for each in history.epochs
        ]
