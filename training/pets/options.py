"""Options of the pets training, without torch."""

from dataclasses import dataclass
from typing import Any, Literal

from training.options import OptionsError, TrainingOptions, option

Recipe = Literal["default", "lesson"]
Strength = Literal["none", "flip", "default", "lesson"]


@dataclass(frozen=True)
class Options(TrainingOptions):
    """Options of a training. It has up to three parts; a part without epochs is left out.

    1. The head alone, on a frozen backbone.
    2. The whole network.
    3. The whole network with larger photos, the progressive resizing of the fast.ai lesson.

    The defaults are those of the bundle that ships. The recipe ``lesson`` follows fast.ai's
    ``lesson6-pets-more.ipynb``: resnet34 at 224 pixels, frozen and unfrozen, then at 352.
    """

    backbone: str = option(
        "efficientnet_lite1+efficientnet_lite2",
        lesson="resnet34",
        help="Name of a network of torchvision or timm; names joined with + are networks side by side. "
        "efficientnet_lite0, 1 and 2 need no download.",
    )
    hidden: int | None = option(
        None,
        lesson=512,
        min=1,
        shown="none, one linear layer",
        help="Number of units in the head's hidden layer, after concat pooling.",
    )
    p: float = option(0.5, min=0, lt=1, help="Dropout rate before the last layer.")
    bn_final: bool = option(False, lesson=True, flag=None, help="Put a batch norm on the logits.")
    size: int = option(288, lesson=224, min=32, max=1024, help="Side of the photos, pixels.")
    late_size: int | None = option(
        None,
        lesson=352,
        min=32,
        max=1024,
        shown="that of --size",
        help="Side of the photos in the late epochs, pixels.",
    )
    crop_pct: float = option(1.0, gt=0, max=1, flag=None, help="Share of a photo's shorter side that the network sees.")
    strength: Literal["none", "flip", "default", "lesson"] = option(
        "flip", lesson="lesson", help="Strength of the augmentation; see `shopcat show augmentations`."
    )
    batch_size: int = option(64, min=2, help="Number of photos in a batch.")
    balanced: bool = option(
        True,
        lesson=False,
        flag="--balanced/--as-many",
        help="Draw each breed equally often, or in proportion to its number of photos.",
    )
    smoothing: float = option(0.0, min=0, lt=1, flag=None, help="Label smoothing.")
    frozen_epochs: int = option(15, lesson=3, min=0, help="Number of epochs in which only the head trains.")
    frozen_lr: float = option(2e-3, lesson=1e-2, gt=0, help="Peak learning rate while only the head trains.")
    passes: int | None = option(
        4,
        lesson=None,
        min=0,
        help="Number of augmented passes whose features are stored to train the head on; 0 computes the features "
        "anew in each epoch.",
    )
    epochs: int = option(0, lesson=2, min=0, help="Number of epochs of the whole network, after the frozen epochs.")
    lr: tuple[float, float] = option(
        (1e-5, 1e-4), lesson=(1e-6, 1e-3), gt=0, help="Peak learning rates of the first layers and the head."
    )
    late_epochs: int = option(0, lesson=2, min=0, help="Number of final epochs of the whole network, at --late-size.")
    late_lr: tuple[float, float] = option(
        (1e-6, 1e-5),
        lesson=(1e-6, 1e-4),
        gt=0,
        help="Peak learning rates of the first layers and the head in the late epochs.",
    )
    pct_start: float = option(
        0.3, lesson=0.8, min=0, max=1, flag=None, help="Share of each part in which the learning rate rises."
    )
    wd: float = option(0.01, min=0, help="Weight decay.")
    train_bn: bool = option(
        False,
        lesson=True,
        flag=None,
        help="Update the statistics of the backbone's batch norms in every part, and train them while it is frozen.",
    )
    calibrate_pct: float = option(
        0.2, gt=0, lt=1, flag=None, help="Share of the training photos that the first fit leaves out."
    )
    target: float = option(0.99, gt=0, lt=1, flag=None, help="Wanted accuracy of accepted photos.")
    bfloat16: bool | None = option(
        None,
        flag="--bfloat16/--float32",
        shown="bfloat16 if the device is faster in it",
        help="Number format of the computation, for the operations that torch's autocast considers safe.",
    )
    seed: int = option(
        0, min=0, help="Random seed for the split, the initial head, the batch order and the augmentation."
    )

    @classmethod
    def of(cls, recipe: Recipe = "default", **given: Any) -> "Options":
        """Return the defaults of a recipe, with the given values in their place.

        Raises:
            OptionsError: if a value is out of bounds, or values contradict each other.
        """
        return cls.from_preset(recipe, **given)

    def check(self) -> None:
        """Check that some part has an epoch, and that stored features stay valid.

        Raises:
            OptionsError: if not.
        """
        if not self.frozen_epochs + self.epochs + self.late_epochs:
            raise OptionsError("no part has an epoch; give --frozen-epochs, --epochs or --late-epochs")
        if self.passes and self.train_bn:
            raise OptionsError("features can't be stored while the backbone's batch norms train; give --passes 0")

    @property
    def served_size(self) -> int:
        """Side of the network's input in serving, pixels."""
        return self.late_size if self.late_size is not None and self.late_epochs else self.size
