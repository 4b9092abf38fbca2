"""A worker's HTTP server on a thread, with a model that returns the request; and a client."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from handlers.batch import AnsweredBatch
from handlers.http import Request, Response
from handlers.python.batcher import Batcher
from handlers.python.connection import Connection
from handlers.python.incoming import Addresses
from handlers.python.settings import Limits
from handlers.python.shared import Shared

MAX_BODY = 20_000
PING = b"GET /ping HTTP/1.1\r\nhost: test\r\n\r\n"
POST = b"POST /predictions/pets HTTP/1.1\r\nhost: test\r\n"


def describe(request: Request) -> dict[str, Any]:
    """Return a request's content in JSON."""
    return {
        "fields": {name: value.decode("latin-1") for name, value in request.fields.items()},
        "explain": request.explain,
        "id": request.id,
    }


class EchoModel:
    """A model whose answer is the request.

    Attributes:
        batches: the batches so far.
        go: an event without which no batch is answered; set at the beginning.
        begun: released once for each batch that begins.
    """

    def __init__(self) -> None:
        self.batches: list[Sequence[Request]] = []
        self.go = threading.Event()
        self.go.set()
        self.begun = threading.Semaphore(0)
        self.finish: Callable[[], None] = lambda: None

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        """Answer a batch, as `handlers.worker.Worker.answer` does."""
        self.batches.append(requests)
        self.begun.release()
        assert self.go.wait(30)
        return AnsweredBatch(
            [Response(200, "application/json", json.dumps(describe(request)).encode()) for request in requests],
            self.finish,
        )

    def bodies(self) -> list[bytes]:
        """Return the bodies of all requests that were answered."""
        return [request.fields["body"] for batch in self.batches for request in batch]


class Answer(NamedTuple):
    """A response: status, headers with names in small letters, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body's value."""
        return json.loads(self.body)


class Client:
    """A connection to a server, byte by byte."""

    def __init__(self, address: Path | int) -> None:
        self.socket = socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
        self.file = self.socket.makefile("rb")

    def send(self, content: bytes) -> "Client":
        """Send bytes."""
        self.socket.sendall(content)
        return self

    def post(self, body: bytes, headers: bytes = b"", target: bytes = b"/predictions/pets") -> "Client":
        """Send a request."""
        length = b"content-length: %d\r\n\r\n" % len(body)
        return self.send(b"POST %b HTTP/1.1\r\nhost: test\r\n" % target + headers + length + body)

    def receive(self, *, has_body: bool = True) -> Answer:
        """Return the next response."""
        line = self.file.readline()
        assert line.startswith(b"HTTP/1.1 "), line
        headers = {}
        while (header := self.file.readline()) != b"\r\n":
            name, _, value = header.decode("latin-1").partition(":")
            assert name not in headers
            headers[name] = value.strip()
        length = int(headers.get("content-length", 0)) if has_body else 0
        return Answer(int(line.split()[1]), headers, self.file.read(length))

    def is_closed(self) -> bool:
        """Wait for the end of the connection; True if nothing came before it."""
        return self.file.read(1) == b""

    def reset(self) -> None:
        """Close the connection so that the server notices at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.file.close()
        self.socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Running:
    """A running server.

    Attributes:
        model: its model.
        shared: state of its connections; only the loop's thread may change it.
        loop: its event loop.
        errors: contexts of unhandled exceptions in the loop.
        address: its port or socket.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, shared: Shared, model: EchoModel, address: Path | int) -> None:
        self.loop, self.shared, self.model, self.address = loop, shared, model, address
        self.errors: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: self.errors.append(context))

    def connect(self) -> Client:
        """Return a new connection."""
        return Client(self.address)

    def call(self, function: Callable[[], Any]) -> Any:
        """Return the result of a function in the loop's thread."""

        async def call() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(20)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition of the loop's thread holds."""

        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.002)

        asyncio.run_coroutine_threadsafe(asyncio.wait_for(wait(), 20), self.loop).result(30)


@contextmanager
def running(
    folder: Path | None = None, *, size: int = 8, limits: Limits | None = None, max_body: int = MAX_BODY
) -> Iterator[Running]:
    """Run a server until the block ends, and expect that no exception and no count of requests is left.

    Args:
        folder: folder of a Unix socket, as behind the gateway; by default the server has a port.
        size: largest batch.
        limits: limits of the requests in progress.
        max_body: size of the largest body.
    """
    model, loop = EchoModel(), uvloop.new_event_loop()
    failed: list[str] = []

    async def start() -> Running:
        batcher = Batcher(
            lambda requests: model.answer(requests),
            size=size,
            timeout=60,
            limits=limits or Limits(),
            loop=loop,
            end=lambda: failed.append("the batcher ended the process"),
        )
        shared = Shared(Addresses.of("pets", max_body, is_edge=folder is None), batcher)
        if folder:
            await loop.create_unix_server(lambda: Connection(shared), str(folder / "worker.sock"))
            return Running(loop, shared, model, folder / "worker.sock")
        server = await loop.create_server(lambda: Connection(shared), "127.0.0.1", 0)
        return Running(loop, shared, model, server.sockets[0].getsockname()[1])

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    try:
        yield server
        model.go.set()
        server.call(lambda: [connection.abort() for connection in list(server.shared.connections)])
        server.wait_until(lambda: not server.shared.connections and not server.shared.batcher._waiting)
        assert server.shared.arriving == 0
        assert not any(server.shared.batcher._expensive.values())
        assert server.errors == []
        assert failed == []
    finally:
        model.go.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
