"""Spaces: ways to look at photos, each a stage of the network with a pooling of its feature map.

Early stages see colours and edges, late ones see parts and kinds. The mean over the photo knows *what* is in it. The
means over a grid know *where* it is too, and so poses and viewing angles, which the mean hides.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pets.graph import POOLINGS, STAGES, feature_name

_STAGES: Mapping[str, str] = {
    "early": "colours and edges",
    "low": "simple textures",
    "middle": "textures and patterns",
    "upper": "patterns and small parts",
    "high": "parts of things",
    "last": "whole things",
    "final": "kinds of things",
}
_POOLINGS: Mapping[str, str] = {"what": "anywhere in the photo", "where": "by place in the photo"}


class Space(NamedTuple):
    """A stage of the network and a pooling of its feature map.

    Attributes:
        stage: name of the stage; see `pets.graph.STAGES`.
        pooling: ``what`` for the mean over the photo, ``where`` for the means over a grid.
    """

    stage: str
    pooling: str

    @property
    def name(self) -> str:
        """Return the short name, which is also that of the graph's output.

        >>> Space("final", "what").name
        'final-what'
        """
        return feature_name(self.stage, self.pooling)

    @property
    def text(self) -> str:
        """Return a text for people.

        >>> Space("final", "where").text
        'kinds of things, by place in the photo'
        """
        return f"{_STAGES[self.stage]}, {_POOLINGS[self.pooling]}"


SPACES = tuple(Space(stage, pooling) for stage in STAGES for pooling in POOLINGS)
BY_NAME: Mapping[str, Space] = {space.name: space for space in SPACES}
