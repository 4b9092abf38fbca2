"""The exported network in memory, and its output for a batch of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pets.graph import INPUTS, OUTPUTS
from runtime.bundle import NETWORK
from runtime.session import open_session


class Output(NamedTuple):
    """The network's output for some photos.

    Attributes:
        logits: ``[photo, class]``, before division by the temperature.
        activation: ``[photo, row, column]``, the mean of the last feature maps.
        gradcam: ``[photo, row, column]``, Grad-CAM for the target's logit, or for its difference to the rival's.
        target: ``[photo]``, index of the explained class.
        rival: ``[photo]``, index of the class that the target is compared with, or ``Rival.NONE``.
    """

    logits: NDArray[np.float32]
    activation: NDArray[np.float32]
    gradcam: NDArray[np.float32]
    target: NDArray[np.int64]
    rival: NDArray[np.int64]

    def with_rows(self, places: Sequence[int], rows: Output) -> Output:
        """Return a copy in which the photos at some places have other outputs."""
        copy = deepcopy(self)
        copy.logits[places], copy.activation[places], copy.gradcam[places] = rows[:3]
        copy.target[places], copy.rival[places] = rows[3:]
        return copy


Run = Callable[[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]], Output]


def onnx_network(folder: Path, device: str, threads: int, file: str = NETWORK) -> Run:
    """Return the bundle's exported network, running on a device.

    Args:
        folder: the bundle.
        device: ``cpu`` or ``cuda:N``.
        threads: number of threads within one operator on the CPU.
        file: name of the ONNX file.
    """
    session = open_session(folder / file, device, threads=threads)

    def run(images: NDArray[np.float32], target: NDArray[np.int64], rival: NDArray[np.int64]) -> Output:
        return Output(*session.run(OUTPUTS, dict(zip(INPUTS, (images, target, rival), strict=True))))

    return run
