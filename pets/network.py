"""The exported network in memory, and its output for a batch of photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pets.bundle import INT8_NETWORK
from pets.graph import INPUTS, OUTPUTS
from pets.images import normalise, scale_and_shift
from runtime.bundle import NETWORK
from runtime.gpu.graphs import photo_graph
from runtime.gpu.network import PHOTO_SIZES, FixedBatches, MergedCalls
from runtime.session import CUDA_GRAPHS, TENSOR_CORES, int8_is_fast, open_session
from schemas.pets.manifest import ImageSpec, PetsManifest

Precision = Literal["single", "half", "int8"]


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


Run = Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]], Output]
"""The network: photos ``[photo, size, size, 3]``, the target and the rival of each, and the output for them."""


def networks(
    folder: Path, manifest: PetsManifest, device: str, threads: int, *, exact: bool
) -> list[tuple[Precision, Callable[[], Run]]]:
    """Return functions that make the bundle's network for a device, from the fastest network to the safest.

    Args:
        folder: the bundle.
        manifest: its manifest.
        device: ``cpu`` or ``cuda:N``.
        threads: number of threads within one operator on the CPU.
        exact: single precision in any case.
    """
    image = manifest.image
    ways: list[tuple[Precision, Callable[[], Run]]] = []
    if device != "cpu" and not exact:
        ways = [("half", partial(gpu_network, folder, image, device, cuda_graphs=graphs)) for graphs in (True, False)]
    elif device == "cpu" and not exact and INT8_NETWORK in manifest.files and int8_is_fast():
        ways = [("int8", partial(onnx_network, folder, image, device, threads, INT8_NETWORK))]
    return [*ways, ("single", partial(onnx_network, folder, image, device, threads))]


def onnx_network(folder: Path, image: ImageSpec, device: str, threads: int, file: str = NETWORK) -> Run:
    """Return the bundle's exported network, running on a device.

    Args:
        folder: the bundle.
        image: the network's input.
        device: ``cpu`` or ``cuda:N``.
        threads: number of threads within one operator on the CPU.
        file: name of the ONNX file.
    """
    session = open_session(folder / file, device, threads=threads)

    def run(pixels: NDArray[np.uint8], target: NDArray[np.int64], rival: NDArray[np.int64]) -> Output:
        images = normalise(pixels, image.mean, image.std)
        return Output(*session.run(OUTPUTS, dict(zip(INPUTS, (images, target, rival), strict=True))))

    return run


def gpu_network(folder: Path, image: ImageSpec, device: str, *, cuda_graphs: bool) -> Run:
    """Return the bundle's network in half precision, for many threads; calls that wait are computed as one batch.

    Args:
        folder: the bundle.
        image: the network's input.
        device: ``cuda:N``; tests use ``cpu``.
        cuda_graphs: capture a CUDA graph for each size of a batch.

    Raises:
        SessionError: if the graph can't be made or can't run on the device.
    """
    file = folder / NETWORK
    scale, shift = scale_and_shift(image.mean, image.std)
    content = photo_graph(file, images=INPUTS[0], scale=scale, shift=shift)
    options = {**TENSOR_CORES, **(CUDA_GRAPHS if cuda_graphs else {})}

    def make() -> FixedBatches:
        session = open_session(file, device, content=content, cuda_options=options)
        return FixedBatches(session, device, PHOTO_SIZES)

    network = MergedCalls(make, PHOTO_SIZES[-1])
    return lambda pixels, target, rival: Output(*network(pixels, target, rival))
