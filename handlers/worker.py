"""What a worker does once, before it is ready: the same for every model."""

import gc
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from handlers import wire

Model = TypeVar("Model")


class WorkerContext(Protocol):
    """What is used of the context that TorchServe initializes a handler with."""

    @property
    def system_properties(self) -> Mapping[str, Any]:
        """The worker's: the archive's folder is ``model_dir``, its GPU, if it has one, ``gpu_id``."""
        ...


def load_model(context: WorkerContext, load: Callable[[Path, str], Model]) -> Model:
    """Load the bundle of the archive, and make the worker ready to serve it.

    Args:
        context: TorchServe's, with the archive's folder and the GPU that this worker has, if any.
        load: makes the model of a bundle's folder and a device, ``cpu`` or ``cuda:0``. It should run the model once, so
            that the first client does not pay for the first run.
    """
    # TorchServe writes two lines for each batch from here. Without them there is room for half as many again.
    logging.getLogger().setLevel(logging.WARNING)
    wire.take_over()
    properties = context.system_properties
    gpu = properties.get("gpu_id")
    model = load(Path(properties["model_dir"], "bundle").resolve(), "cpu" if gpu is None else f"cuda:{gpu}")
    # What is loaded stays; the garbage collector need not walk it again while clients wait.
    gc.collect()
    gc.freeze()
    return model
