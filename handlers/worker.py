"""Start of a worker, the same for every model: load the bundle, answer a first request, report readiness."""

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from handlers import protocol
from handlers.context import BatchContext, WorkerContext
from handlers.gpus import select_gpu
from handlers.readiness import declare_ready, withdraw
from handlers.safeguards.faults import FaultMonitor
from handlers.safeguards.memory import MemoryGuard
from handlers.safeguards.poison import PoisonGuard
from handlers.safeguards.safeguards import Safeguards
from handlers.telemetry import metrics
from handlers.telemetry.observer import Observer
from handlers.telemetry.recorder import MAX_QUEUE_S, Telemetry
from handlers.telemetry.request_log import PER_SECOND, RequestLog
from handlers.telemetry.spans import make_spans
from handlers.worker_log import log_lines
from handlers.worker_paths import IN_HAND, METRICS_FOLDER, READY_FOLDER, REQUEST_LOG
from handlers.worker_settings import ALLOW_UNPATCHED, BEHIND_GATEWAY, REQUEST_LOG_RATE, REQUEST_MEMORY
from runtime.bundle import MANIFEST
from runtime.clock import Clock
from runtime.folder import sha256


class Predictor(Protocol):
    """Part of a model's predictor that a worker uses."""

    clock: Clock

    @property
    def name(self) -> str:
        """Return the model's name, as in ``/predictions/NAME``."""
        ...

    @property
    def version(self) -> str:
        """Return the bundle's version."""
        ...


Model = TypeVar("Model", bound=Predictor)
Model_co = TypeVar("Model_co", bound=Predictor, covariant=True)


class Load(Protocol[Model_co]):
    """Function that loads and verifies a bundle."""

    def __call__(self, folder: Path, /, *, device: str) -> Model_co:
        """Return the predictor of the bundle in a folder, on ``cpu`` or ``cuda:N``."""
        ...


class WarmUpError(RuntimeError):
    """A loaded model does not answer its first request; the message has its response."""


def load_model(
    context: WorkerContext, load: Load[Model], observer: Observer[Any, Any]
) -> tuple[Model, Telemetry, Safeguards]:
    """Load the archive's bundle, and prepare the worker to serve it.

    Args:
        context: TorchServe's context, with the archive's folder and the worker's GPU, if it has one.
        load: function that loads and verifies the bundle.
        observer: observer of the model's answers.
    """
    ready = os.environ.get(READY_FOLDER)  # not set if `shopcat serve` did not start TorchServe
    poison = PoisonGuard(Path(ready, IN_HAND)) if ready else None  # early: requests of a dead worker count from now on
    device = select_gpu(context.system_properties.get("gpu_id"))
    model = load(_bundle(context), device=device)
    log_lines(model.name)
    if poison:
        poison.set_model(model.name)
    folder = os.environ.get(METRICS_FOLDER)
    if folder:
        metrics.allocate(Path(folder))
    log, rate = os.environ.get(REQUEST_LOG), os.environ.get(REQUEST_LOG_RATE)
    settings = getattr(context, "model_yaml_config", None) or {}
    telemetry = Telemetry(
        model.name,
        model.version,
        observer,
        request_log=RequestLog(Path(log), PER_SECOND if rate is None else float(rate)) if log else None,
        behind_gateway=BEHIND_GATEWAY in os.environ,
        max_queue_s=float(settings.get("responseTimeout", MAX_QUEUE_S)),
        spans=make_spans(model.name, model.version),
    )
    model.clock = telemetry.clock
    protocol.patch_worker(allow_unpatched=ALLOW_UNPATCHED in os.environ)

    def end() -> None:
        telemetry.flush(last=True)
        os._exit(1)  # without the interpreter's own end, which would free what is on a GPU that may not respond

    return model, telemetry, Safeguards(FaultMonitor(device), poison, withdraw=withdraw, end=end)


def warm_up(
    context: WorkerContext,
    model: Predictor,
    telemetry: Telemetry,
    safeguards: Safeguards,
    handle: Callable[[Sequence[Mapping[str, Any]], BatchContext], list[bytes]],
    request: Mapping[str, bytes],
) -> None:
    """Answer a first request, so that no client waits for one-time work, and report that the worker is ready.

    Raises:
        WarmUpError: if the response is not a 200.
    """
    # Its deferred calls are not made, so that telemetry counts clients only.
    status, body = protocol.rehearse(handle, request)
    if status != 200:
        raise WarmUpError(f"{model.name} {model.version} does not answer: {body.decode()}")
    telemetry.start()
    # Loaded objects live as long as the worker. Exclude them from garbage collection, which would scan them while
    # clients wait.
    gc.collect()
    gc.freeze()
    # Telemetry keeps small objects of some batches, without cycles. A collection after every 700 new objects, Python's
    # default, takes more time than the telemetry itself.
    gc.set_threshold(50_000)
    if memory := os.environ.get(REQUEST_MEMORY):
        safeguards.memory = MemoryGuard(int(memory))
    folder = os.environ.get(READY_FOLDER)
    if folder:
        cutoff = str(getattr(model, "cutoff", ""))
        digest = sha256(_bundle(context) / MANIFEST)
        declare_ready(Path(folder), model=model.name, version=model.version, cutoff=cutoff, sha256=digest)


def _bundle(context: WorkerContext) -> Path:
    return Path(context.system_properties["model_dir"], "bundle").resolve()
