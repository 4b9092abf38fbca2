"""The exported pets graph: names of its inputs and outputs, and the special values of its class inputs."""

from enum import IntEnum

INPUTS = ("images", "target", "rival")
OUTPUTS = ("logits", "activation", "gradcam", "explained", "told_from")


class Target(IntEnum):
    """Value of ``target`` that is no class number."""

    PREDICTED = -1  # explain the class with the largest logit


class Rival(IntEnum):
    """Values of ``rival`` that are no class number."""

    NONE = -1  # explain the target alone
    RUNNER_UP = -2  # compare with the best class besides the target
