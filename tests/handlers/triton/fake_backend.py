"""A small stand-in for `triton_python_backend_utils`, which exists only inside Triton."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


class Tensor:
    def __init__(self, name: str, values: np.ndarray) -> None:
        assert values.flags.c_contiguous
        self._name, self._values = name, values

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._values

    def to_dlpack(self) -> np.ndarray:
        return self._values

    @classmethod
    def from_dlpack(cls, name: str, values: np.ndarray) -> "Tensor":
        return cls(name, values)


class TritonError(Exception):
    def message(self) -> str:
        return str(self)


@dataclass
class InferenceResponse:
    output_tensors: Sequence[Tensor] = ()
    error: TritonError | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        assert self.error is None, self.error
        return {tensor.name(): tensor.as_numpy() for tensor in self.output_tensors}


@dataclass
class Request:
    """A request with one column for each input, ``[item, 1]``."""

    columns: Mapping[str, Sequence[Any]]

    def tensor(self, name: str) -> Tensor | None:
        if name not in self.columns:
            return None
        values = self.columns[name]
        integers = {"store": np.int64}.get(name, np.int8)
        kind = integers if isinstance(values[0], int) else np.object_
        return Tensor(name, np.array(values, kind)[:, None])


def get_input_tensor_by_name(request: Request, name: str) -> Tensor | None:
    return request.tensor(name)
