"""The event loop of a worker: its socket, its signals and its time limits."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import uvloop

from handlers.gpus import select_gpu
from handlers.http import Request, Response
from handlers.python.batcher import Batcher
from handlers.python.connection import Addresses, Connection, Shared
from handlers.python.settings import Settings
from handlers.worker import Worker

_IDLE_S = 75.0  # a connection without a request; behind the gateway, which is trusted, it may stay open
_REQUEST_S = 60.0  # for a request to arrive
_BACKLOG = 4096


def run(settings: Settings) -> None:
    """Load the model and answer requests until SIGTERM; then answer what was accepted."""
    worker = Worker(Path(settings.bundle), device=select_gpu(settings.gpu), timeout=settings.timeout)
    uvloop.run(_serve(worker, settings))


async def _serve(worker: Worker, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    batcher = Batcher(
        worker.answer, size=settings.batch_size, timeout=settings.timeout, limits=settings.limits, loop=loop
    )
    shared = Shared(Addresses.of(settings.model, settings.max_body, sends_ids=not settings.socket), batcher)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    listening = await _listen(shared, settings, loop)
    worker.begin(lambda request: _rehearse(worker, request))
    while not stopping.is_set():
        if settings.port:
            _close_stale(shared)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), 1.0)
    listening.close()
    await _drain(shared, settings.idle_at_stop)
    worker.telemetry.flush(last=True)


async def _listen(shared: Shared, settings: Settings, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
    """Listen on the settings' socket or port. Requests wait until the worker is ready."""
    if settings.socket:
        return await loop.create_unix_server(lambda: Connection(shared), settings.socket, backlog=_BACKLOG)
    return await loop.create_server(
        lambda: Connection(shared), settings.host, settings.port, backlog=_BACKLOG, reuse_port=True
    )


def _rehearse(worker: Worker, request: Request) -> Response:
    (response,) = worker.answer([request]).responses
    return response


def _close_stale(shared: Shared) -> None:
    now = time.monotonic()
    for connection in list(shared.connections):
        if now - connection.since > (_IDLE_S if connection.is_idle else _REQUEST_S):
            connection.time_out()


async def _drain(shared: Shared, idle_at_stop: float) -> None:
    """Wait until all requests are answered. Clients with open connections may be sending one."""
    shared.is_draining = True
    until = time.monotonic() + idle_at_stop
    while shared.connections:
        if time.monotonic() >= until:
            for connection in list(shared.connections):
                connection.close_if_idle()
        await asyncio.sleep(0.02)
