"""What a worker does once, before it is ready: the same for every model."""

import gc
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from handlers import protocol
from handlers.context import WorkerContext
from handlers.readiness import declare_ready
from handlers.telemetry import metrics
from handlers.telemetry.audit_log import AuditLog
from handlers.telemetry.recorder import Telemetry
from handlers.worker_paths import AUDIT_LOG, METRICS_FOLDER, READY_FOLDER
from runtime.bundle import MANIFEST
from runtime.clock import Clock
from runtime.folder import sha256


class Served(Protocol):
    """A model as a worker has it."""

    clock: Clock

    @property
    def name(self) -> str:
        """As in ``/predictions/NAME``."""
        ...

    @property
    def version(self) -> str:
        """The bundle's."""
        ...


Model = TypeVar("Model", bound=Served)


class WarmUpError(RuntimeError):
    """A model that was loaded and can't answer; the message has its answer."""


def load_model(
    context: WorkerContext,
    load: Callable[[Path, str], Model],
    *,
    gist: Callable[[Sequence[Any]], Any],
    count: Callable[[str, Sequence[Any]], None],
    describe: Callable[[Any], dict[str, Any]],
) -> tuple[Model, Telemetry]:
    """Load the bundle of the archive, and make the worker ready to serve it.

    Args:
        context: TorchServe's, with the archive's folder and the GPU that this worker has, if any.
        load: makes the model of a bundle's folder and a device, ``cpu`` or ``cuda:0``, and verifies it.
        gist: as `Telemetry` has it.
        count: as `Telemetry` has it.
        describe: as `Telemetry` has it.
    """
    # TorchServe writes two lines for each batch from here. Without them there is room for half as many again.
    logging.getLogger().setLevel(logging.WARNING)
    gpu = context.system_properties.get("gpu_id")
    model = load(_bundle(context), "cpu" if gpu is None else f"cuda:{gpu}")
    folder = os.environ.get(METRICS_FOLDER)  # not set in a worker of a TorchServe that is not ours
    if folder:
        metrics.allocate(Path(folder))
    log = os.environ.get(AUDIT_LOG)
    audit = AuditLog(Path(log)) if log else None
    telemetry = Telemetry(model.name, model.version, gist=gist, count=count, describe=describe, audit=audit)
    model.clock = telemetry.clock
    protocol.take_over()
    return model, telemetry


def warm_up(
    context: WorkerContext,
    model: Served,
    telemetry: Telemetry,
    handle: Callable[[Sequence[Mapping[str, Any]], protocol.Batch], list[bytes]],
    request: Mapping[str, bytes],
) -> None:
    """Answer a first request, so that no client waits for what is done once, and say that the worker is ready.

    Raises:
        WarmUpError: if the answer is not a 200.
    """
    batch = protocol.Batch()
    batch.append(b"warm-up", [], [(name, b"", value) for name, value in request.items()])
    (body,) = handle(batch.fields, batch)  # which is not finished: nothing is told of what no client has asked
    if batch.status(0) != 200:
        raise WarmUpError(f"{model.name} {model.version} does not answer: {body.decode()}")
    telemetry.start()
    # What is loaded stays; the garbage collector need not walk it again while clients wait.
    gc.collect()
    gc.freeze()
    # Telemetry keeps small objects of some batches, which are no cycles: looking for some every 700 objects, as Python
    # does by itself, takes more time than telling of them.
    gc.set_threshold(50_000)
    folder = os.environ.get(READY_FOLDER)
    if folder:
        cutoff = str(getattr(model, "cutoff", ""))
        digest = sha256(_bundle(context) / MANIFEST)
        declare_ready(Path(folder), model=model.name, version=model.version, cutoff=cutoff, sha256=digest)


def _bundle(context: WorkerContext) -> Path:
    return Path(context.system_properties["model_dir"], "bundle").resolve()
