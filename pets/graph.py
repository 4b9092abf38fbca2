"""The exported pets graph: names of its inputs and outputs, and the special values of its class inputs."""

from enum import IntEnum

INPUTS = ("images", "target", "rival")
OUTPUTS = ("logits", "activation", "gradcam", "explained", "told_from")


class Target(IntEnum):
    """Special value of the input ``target``; all other values are class indices."""

    PREDICTED = -1  # explain the class with the largest logit


class Rival(IntEnum):
    """Special values of the input ``rival``; all other values are class indices."""

    NONE = -1  # explain the target alone
    RUNNER_UP = -2  # compare with the best class besides the target
