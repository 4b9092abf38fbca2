"""The event loop of a worker: its socket, its signals and its time limits."""

import asyncio
import contextlib
import faulthandler
import os
import resource
import signal
import time
from pathlib import Path

import uvloop

from handlers.gpus import select_gpu
from handlers.http import Request, Response
from handlers.python.batcher import Batcher
from handlers.python.connection import Connection
from handlers.python.incoming import Addresses
from handlers.python.settings import Settings
from handlers.python.shared import Shared
from handlers.worker import Worker

_BACKLOG = 4096
_TICK_S = 1.0  # serving/python/watchdog.py polls as often
_DRAIN_S = 0.02
_ITERATIONS = 4  # of the loop: one accepts a connection, the next one reads it, and batches run between them


def run(settings: Settings) -> None:
    """Load the model and answer requests until SIGTERM; then answer what was accepted, or end at a second one."""
    end_slow_batches()
    raise_open_files()
    device = select_gpu(settings.gpu)
    worker = Worker(Path(settings.bundle), device=device, threads=settings.threads, timeout=settings.timeout)
    uvloop.run(_serve(worker, settings))


def end_slow_batches() -> None:
    """Let the batcher's alarm end the process, also in native code, after its stack was written to stderr."""
    faulthandler.register(signal.SIGALRM, chain=True)


async def _serve(worker: Worker, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    batcher = Batcher(
        worker.answer,
        size=settings.batch_size,
        timeout=settings.timeout,
        limits=settings.limits,
        loop=loop,
        end=worker.safeguards.end,
    )
    shared = Shared(Addresses.of(settings.model, settings.max_body, is_edge=not settings.socket), batcher)
    stopping, hurrying = asyncio.Event(), asyncio.Event()

    def stop(*_: object) -> None:
        event = hurrying if shared.is_draining else stopping
        shared.is_draining = True  # at once, so that the responses of the batch in progress announce the end
        loop.call_soon_threadsafe(event.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    listening = await _listen(shared, settings, loop)
    worker.begin(lambda request: _rehearse(worker, request))
    while not stopping.is_set():
        _show_life(settings)
        shared.close_stale()
        worker.telemetry.count_refusals(shared.take_refusals())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _TICK_S)
    await _accept_waiting(shared)
    listening.close()
    await _drain(shared, hurrying, settings)
    worker.telemetry.count_refusals(shared.take_refusals())
    worker.telemetry.flush(last=True)


async def _listen(shared: Shared, settings: Settings, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
    """Listen on the settings' socket or port. Requests wait until the worker is ready."""
    if settings.socket:
        return await loop.create_unix_server(lambda: Connection(shared), settings.socket, backlog=_BACKLOG)
    return await loop.create_server(
        lambda: Connection(shared), settings.host, settings.port, backlog=_BACKLOG, reuse_port=True
    )


def raise_open_files() -> None:
    """Let the process have as many connections as the system allows; by default it is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # the system may allow fewer
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _rehearse(worker: Worker, request: Request) -> Response:
    (response,) = worker.answer([request]).responses
    return response


async def _accept_waiting(shared: Shared) -> None:
    """Accept the connections that wait since the last batch; the system would reset them."""
    for _ in range(_BACKLOG):
        before = shared.accepted
        await _read_waiting()
        if shared.accepted == before:
            return


async def _read_waiting() -> None:
    """Let the loop accept a connection, and read what clients sent while the last batch was computed."""
    for _ in range(_ITERATIONS):
        await asyncio.sleep(0)


async def _drain(shared: Shared, hurrying: asyncio.Event, settings: Settings) -> None:
    """Wait until all requests are answered, or until a second signal. Clients with open connections may send one."""
    start, idle = time.monotonic(), settings.idle_at_stop
    while shared.connections and not hurrying.is_set():
        await asyncio.sleep(_DRAIN_S)
        await _read_waiting()
        _show_life(settings)
        shared.close_stale()
        waited = time.monotonic() - start
        for connection in list(shared.connections):
            if waited >= idle + settings.timeout:
                connection.abort()
            elif waited >= idle:
                connection.close_if_idle()


def _show_life(settings: Settings) -> None:
    """Touch the file by which the process that started this one sees that it does not hang."""
    if settings.heartbeat:
        os.utime(settings.heartbeat)
