"""Options of the pets training, without torch."""

from dataclasses import dataclass
from typing import Any, Literal

from training.options import OptionsError, TrainingOptions, option

Recipe = Literal["default", "lesson"]
Strength = Literal["none", "flip", "default", "lesson"]


@dataclass(frozen=True)
class Options(TrainingOptions):
    """Options of a training. It has up to four parts; a part without epochs is left out.

    1. A linear probe: the head is fitted to the features of a frozen backbone (`training.pets.probe`).
    2. The head alone by gradient steps, on a frozen backbone.
    3. The whole network.
    4. The whole network with larger photos, the progressive resizing of the fast.ai lesson.

    The defaults are those of the bundle that ships: a linear probe alone. The recipe ``lesson`` follows fast.ai's
    ``lesson6-pets-more.ipynb``: resnet34 at 224 pixels, frozen and unfrozen, then at 352.
    """

    backbone: str = option(
        "efficientnet_lite2",
        lesson="resnet34",
        help="Name of a network of torchvision or timm; names joined with + are networks side by side. "
        "efficientnet_lite0, 1 and 2 need no download.",
    )
    prior: float | None = option(
        1e-3,
        lesson=None,
        gt=0,
        help="Linear probe: strength of the pull of the head's weights towards the backbone's ImageNet classifier.",
    )
    shrinkage: float = option(
        0.3, gt=0, max=1, flag=None, help="Linear probe: shrinkage of the discriminant analysis's covariance, 0 to 1."
    )
    phone_weight: float = option(
        0.25,
        min=0,
        flag=None,
        help="Linear probe: weight of a copy of each photo as of a phone, beside the photo and its mirror image.",
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
    frozen_epochs: int = option(0, lesson=3, min=0, help="Number of epochs in which only the head trains.")
    frozen_lr: float = option(2e-3, lesson=1e-2, gt=0, help="Peak learning rate while only the head trains.")
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
    folds: int = option(
        5, min=2, flag=None, help="Number of folds of the cross-validation that calibrates a linear probe."
    )
    calibrate_pct: float = option(
        0.2, gt=0, lt=1, flag=None, help="Share of the photos that the first fit leaves out, if there are epochs."
    )
    copies: int = option(
        4, min=1, max=20, flag=None, help="Number of shifted copies of each photo that the calibration sees."
    )
    target: float = option(
        0.97, gt=0, lt=1, help="Wanted accuracy of accepted photos, over photos as they are and shifted copies."
    )
    false_alarms: float = option(
        0.03, gt=0, lt=1, help="Share of the photos and shifted copies that may count as unlike the training photos."
    )
    review_share: float = option(
        0.0, min=0, max=1, help="Share of accepted photos that go to review at random, so that accuracy can be checked."
    )
    bfloat16: bool | None = option(
        None,
        flag="--bfloat16/--float32",
        shown="bfloat16 if the device is faster in it",
        help="Number format of the computation, for the operations that torch's autocast considers safe.",
    )
    int8: bool = option(
        True,
        flag="--int8/--no-int8",
        help="Add a graph with convolutions in 8 bits, for serving on processors with integer dot products. It is left "
        "out if it lowers the accuracy on the validation photos by more than half a point.",
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
        """Check that there is some part, and that a linear probe has a linear head.

        Raises:
            OptionsError: if not.
        """
        if self.prior is None and not self.epochs_in_all:
            raise OptionsError("no part has an epoch; give --frozen-epochs, --epochs or --late-epochs")
        if self.prior is not None and (self.hidden is not None or self.bn_final):
            raise OptionsError(
                "a linear probe (--prior) has neither a hidden layer nor a last batch norm; leave out --prior with "
                "--recipe lesson, or leave out --hidden"
            )

    def check_learning_rate(self) -> None:
        """Check that some part has a learning rate.

        Raises:
            OptionsError: if not.
        """
        if not self.epochs_in_all:
            raise OptionsError("a linear probe has no learning rate; give --recipe lesson, --frozen-epochs or --epochs")

    @property
    def epochs_in_all(self) -> int:
        """Number of epochs of gradient steps; 0 for a linear probe alone."""
        return self.frozen_epochs + self.epochs + self.late_epochs

    @property
    def served_size(self) -> int:
        """Side of the network's input in serving, pixels."""
        return self.late_size if self.late_size is not None and self.late_epochs else self.size
