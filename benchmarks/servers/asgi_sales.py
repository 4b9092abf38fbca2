"""Forecasts as an ASGI application, with the batches of the runner in Python: what an ASGI server would make of them.

`python -m benchmarks.table http-server` measures it behind uvicorn and Granian, beside the runner's own server. To run
it alone:

    SHOPCAT_BUNDLE=model_store/sales uvicorn benchmarks.servers.asgi_sales:app
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from handlers.http import Request, Response
from handlers.python.batcher import Batcher
from handlers.python.settings import Limits
from handlers.worker import Worker

BATCH = 16  # as in serving/archives/settings/sales.yaml
Message = MutableMapping[str, Any]

_worker = Worker(Path(os.environ["SHOPCAT_BUNDLE"]), device="cpu")
_worker.telemetry.start()
_batchers: list[Batcher] = []  # one, made on the event loop


async def app(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    """Answer a request, or a message about the server's life."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    _batcher().submit(Request({"body": body}, scope["headers"]), done.set_result)
    response = await done
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", b"%d" % len(response.body)),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _live(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


def _end() -> None:
    os._exit(1)


def _batcher() -> Batcher:
    if not _batchers:
        loop = asyncio.get_running_loop()
        _batchers.append(Batcher(_worker.answer, size=BATCH, timeout=30, limits=Limits(), loop=loop, end=_end))
    return _batchers[0]
