"""Layout of features: the columns of each space, and a key for all that features depend on. It needs no network."""

from collections.abc import Mapping
from typing import NamedTuple

from labelling.features.spaces import Space


class FeatureLayout(NamedTuple):
    """Layout of the features of a network.

    Attributes:
        key: hash of everything that features depend on besides the photo.
        columns: columns of each space in the rows of features, in the order of the stages.
        width: number of columns.
    """

    key: str
    columns: Mapping[Space, slice]
    width: int

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Return the spaces, from early to final."""
        return tuple(self.columns)
