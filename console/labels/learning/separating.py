"""Separating map of a project: the space and the direction in which its labels differ most."""

import base64
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from console.labels.learning.maps import Positions, as_bytes
from console.labels.service import SeenTable
from labelling.features.spaces import BY_NAME, Space
from labelling.projects.errors import ProjectError
from labelling.separation.projection import separate
from schemas.labels.learning import LabelSeparation, SeparationScore


class SpaceRows(Mapping[str, NDArray[np.float32]]):
    """Rows by the name of a space, read one space at a time, since all spaces of many photos are large."""

    def __init__(self, rows: SeenTable, spaces: Sequence[Space]) -> None:
        self._rows, self._spaces = rows, spaces

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self._rows.array(BY_NAME[name])

    def __iter__(self) -> Iterator[str]:
        return (space.name for space in self._spaces)

    def __len__(self) -> int:
        return len(self._spaces)


def separation(rows: SeenTable, spaces: Sequence[Space], labels: Sequence[int] | None) -> LabelSeparation:
    """Return the map that separates labels best.

    Args:
        rows: the rows.
        spaces: spaces to choose from.
        labels: ids of the labels; all by default.

    Raises:
        ProjectError: if fewer than two of the labels have two photos.
    """
    chosen = rows.labels if labels is None else np.where(np.isin(rows.labels, labels), rows.labels, -1)
    try:
        found = separate(SpaceRows(rows, spaces), chosen)
    except ValueError as error:
        raise ProjectError(f"labels: {error}") from error
    return LabelSeparation(
        space=found.space,
        text=found.text,
        score=round(found.score, 4),
        p_value=found.p_value,
        warning=found.warning,
        ranking=[SeparationScore(space=space, score=round(score, 4)) for space, score in found.ranking],
        n_labelled=found.n_labelled,
        positions=base64.b64encode(as_bytes(in_square(found.positions))).decode(),
        rows_version=rows.version,
    )


def in_square(positions: Positions) -> Positions:
    """Return a map scaled to the square from -1 to 1. Its centre stays, because both sides of 0 are two labels."""
    largest = np.abs(positions).max(initial=0)
    return positions / largest if largest > 0 else positions
