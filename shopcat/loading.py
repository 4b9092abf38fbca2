"""Load a bundle of any kind."""

import os
from pathlib import Path

from runtime.bundle import BundleError, kind_of
from shopcat.classifier import Classifier
from shopcat.forecaster import Forecaster

MODELS: dict[str, type[Forecaster] | type[Classifier]] = {"sales": Forecaster, "pets": Classifier}


def load(path: str | os.PathLike[str], device: str | None = None, *, threads: int = 1) -> Forecaster | Classifier:
    """Load a bundle and verify it: its hashes, and its golden rows on this machine.

    `Forecaster.load` and `Classifier.load` take one kind of bundle each, so that type checkers know the result's type.

    Args:
        path: folder of the bundle.
        device: ``cpu``, ``cuda`` or ``cuda:N``; a GPU if there is one, else the CPU, if left out.
        threads: threads within one operator on the CPU; 0 means all cores.

    Returns:
        A `Forecaster` for a sales bundle, a `Classifier` for a pets bundle.

    Raises:
        BundleError: if the folder is not a bundle or is damaged, or the model does not reproduce its golden rows.
        DeviceError: if the device does not exist.
        SessionError: if onnxruntime cannot run the network on the device.
    """
    kind = kind_of(Path(path))
    if kind not in MODELS:
        raise BundleError(
            f"{path} is a bundle of the kind {kind!r}, and this version of shopcat reads {' and '.join(MODELS)}; "
            "update shopcat"
        )
    return MODELS[kind].load(path, device, threads=threads)
