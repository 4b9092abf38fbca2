"""The exported graphs of pets: names of their inputs and outputs, and the special values of the class inputs.

The features graph is for photos without labels. It runs the first network of the backbone, and returns the feature maps
of several stages, pooled in two ways.
"""

from enum import IntEnum

INPUTS = ("images", "target", "rival")
OUTPUTS = ("logits", "activation", "gradcam", "explained", "told_from")

STAGES = ("early", "low", "middle", "upper", "high", "last", "final")
"""Stages of the features graph, from the input to the end. A network with fewer has some, the final one too."""
POOLINGS = ("what", "where")
"""Means over the photo, ``[photo, channel]``, and over the cells of a grid, ``[photo, channel, row, column]``."""
GRID = 3  # rows, and columns, of the grid


def feature_name(stage: str, pooling: str) -> str:
    """Return the name of an output of the features graph.

    >>> feature_name("final", "what")
    'final-what'
    """
    return f"{stage}-{pooling}"


class Target(IntEnum):
    """Special value of the input ``target``; all other values are class indices."""

    PREDICTED = -1  # explain the class with the largest logit


class Rival(IntEnum):
    """Special values of the input ``rival``; all other values are class indices."""

    NONE = -1  # explain the target alone
    RUNNER_UP = -2  # compare with the best class besides the target
