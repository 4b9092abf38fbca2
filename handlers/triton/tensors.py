"""Tensors of a model in Triton. Each row of a tensor belongs to one item of the request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.problems import Problem

Array = NDArray[Any]
Arrays = Mapping[str, Array]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: name of the tensor.
        data_type: type of the values in the Open Inference Protocol: ``BYTES``, ``INT64`` and the like.
        dims: shape of an item's values.
        optional: True for an input that a request may leave out.
        labels: names of the values of an output, for Triton's classification extension.
    """

    name: str
    data_type: str
    dims: tuple[int, ...] = (1,)
    optional: bool = False
    labels: Sequence[str] = ()


class TritonModel(Protocol):
    """A kind of model, loaded for Triton.

    Attributes:
        inputs: its inputs.
        outputs: its outputs, which every answer has.
        max_items: number of items that Triton accepts in one request.
        batches: True if requests are to be computed together.
    """

    inputs: Sequence[Tensor]
    outputs: Sequence[Tensor]
    max_items: int
    batches: bool

    def answer(self, requests: Sequence[Arrays]) -> list[Arrays]:
        """Answer requests together.

        Args:
            requests: the inputs of each request by name, ``[item]``, without those that the request leaves out.

        Returns:
            The outputs of each request by name, ``[item, ...]``. An invalid item has a problem in its row.
        """
        ...


def texts(values: Iterable[str | bytes]) -> Array:
    """Return a tensor of the type BYTES."""
    return np.array([value.encode() if isinstance(value, str) else value for value in values], np.object_)


def problem_text(problem: Problem | None) -> bytes:
    """Return an item's problem as JSON; empty if there is none."""
    return problem.to_json() if problem is not None else b""
