"""A worker: a process that answers the requests to one model, whichever server passes them to it."""

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Protocol

from handlers.batch import Answer, AnsweredBatch, answer_batch
from handlers.http import Request, Response
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
from handlers.worker_settings import BEHIND_GATEWAY, REQUEST_LOG_RATE, REQUEST_MEMORY
from runtime.bundle import MANIFEST, kind_of
from runtime.clock import Clock
from runtime.folder import sha256
from schemas.problems import Problem


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


class Handler(Protocol):
    """A kind of model in a worker; ``handlers/KIND.py`` defines one, under the name ``HANDLER``.

    A handler with an executor in the attribute ``pool`` answers each request of a batch alone, on a thread of the pool.
    """

    @property
    def model(self) -> Predictor:
        """Return the predictor of the bundle that the handler was made with."""
        ...

    @property
    def observer(self) -> Observer[Any, Any]:
        """Return the observer of the model's answers."""
        ...

    def parse(self, request: Request) -> Any:
        """Parse a request; raise `ProblemError` if it is invalid."""
        ...

    def predict(self, requests: Sequence[Any], /) -> Sequence[Answer | Problem]:
        """Answer parsed requests together, in order."""
        ...

    def first_request(self) -> Request:
        """Return a request that the model must answer with a 200, before the worker is ready."""
        ...


class WarmUpError(RuntimeError):
    """A loaded model does not answer its first request; the message has its response."""


class Worker:
    """A loaded model with telemetry and safeguards.

    Attributes:
        handler: handler of the model's kind.
        telemetry: recorder of its batches.
        safeguards: its safeguards.
    """

    def __init__(self, bundle: Path, *, device: str, threads: int = 1, timeout: float = MAX_QUEUE_S) -> None:
        """Load and verify a bundle.

        Args:
            bundle: its folder.
            device: ``cpu`` or ``cuda:N``.
            threads: number of threads of the network on the CPU; on a GPU, of the handler's pool, if it has one.
            timeout: seconds after which the server gives up a batch.
        """
        ready = os.environ.get(READY_FOLDER)  # not set if `shopcat serve` did not start the server
        # Early, because requests of a dead worker count from now on.
        poison = PoisonGuard(Path(ready, IN_HAND)) if ready else None
        self._bundle = bundle
        self.handler: Handler = resolve_name(f"handlers.{kind_of(bundle)}:HANDLER")(
            bundle, device=device, threads=threads
        )
        model = self.handler.model
        log_lines(model.name)
        if poison:
            poison.set_model(model.name)
        if folder := os.environ.get(METRICS_FOLDER):
            metrics.allocate(Path(folder))
        log, rate = os.environ.get(REQUEST_LOG), os.environ.get(REQUEST_LOG_RATE)
        self.telemetry = Telemetry(
            model.name,
            model.version,
            self.handler.observer,
            request_log=RequestLog(Path(log), PER_SECOND if rate is None else float(rate)) if log else None,
            behind_gateway=BEHIND_GATEWAY in os.environ,
            max_queue_s=timeout,
            spans=make_spans(model.name, model.version),
        )
        model.clock = self.telemetry.clock
        self._pool: Executor | None = getattr(self.handler, "pool", None)
        self.safeguards = Safeguards(FaultMonitor(device), poison, withdraw=withdraw, end=self._end)

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        """Answer a batch of requests."""
        return answer_batch(
            requests,
            parse=self.handler.parse,
            run=self.handler.predict,
            telemetry=self.telemetry,
            safeguards=self.safeguards,
            pool=self._pool,
        )

    def begin(self, rehearse: Callable[[Request], Response]) -> None:
        """Answer a first request, so that no client waits for one-time work, and report that the worker is ready.

        Args:
            rehearse: function that passes a request to `answer` as the server would, and returns the response. It does
                not finish the batch, so that telemetry counts clients only.

        Raises:
            WarmUpError: if the response is not a 200.
        """
        model = self.handler.model
        response = rehearse(self.handler.first_request())
        if response.status != 200:
            raise WarmUpError(f"{model.name} {model.version} does not answer: {response.body.decode()}")
        self.telemetry.start()
        # Loaded objects live as long as the worker. Exclude them from garbage collection, which would scan them while
        # clients wait.
        gc.collect()
        gc.freeze()
        # Telemetry keeps small objects of some batches, without cycles. A collection after every 700 new objects,
        # Python's default, takes more time than the telemetry itself.
        gc.set_threshold(50_000)
        if memory := os.environ.get(REQUEST_MEMORY):
            self.safeguards.memory = MemoryGuard(int(memory))
        if folder := os.environ.get(READY_FOLDER):
            cutoff = str(getattr(model, "cutoff", ""))
            digest = sha256(self._bundle / MANIFEST)
            declare_ready(Path(folder), model=model.name, version=model.version, cutoff=cutoff, sha256=digest)

    def _end(self) -> None:
        self.telemetry.flush(last=True)
        os._exit(1)  # without the interpreter's own end, which would free what is on a GPU that may not respond
