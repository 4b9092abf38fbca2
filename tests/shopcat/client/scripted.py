"""A small HTTP server whose answers a test scripts, and a client that is synchronous or asynchronous."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio

from schemas.problem_kinds import ProblemName
from schemas.problems import Problem
from shopcat import AsyncClient, Client

FORECAST = {
    "model": "sales",
    "version": "1",
    "cutoff": "2015-07-31",
    "objective": "median",
    "store": 1,
    "date": "2015-08-01",
    "sales": 5000.0,
    "assumed": [],
    "warnings": [],
}


@dataclass(frozen=True)
class Answer:
    """An answer of the server."""

    status: int = 200
    content: Any = field(default_factory=lambda: FORECAST)
    headers: tuple[tuple[str, str], ...] = ()


def problem(name: ProblemName, *headers: tuple[str, str], **fields: Any) -> Answer:
    """Return a problem, with additional headers and fields."""
    made = Problem.of(name, "The detail.").model_dump(exclude_defaults=True) | fields
    return Answer(made["status"], made, headers)


Step = Answer | Callable[["Handler"], None]


def reset(handler: "Handler") -> None:
    """Reset the connection instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()


def close(handler: "Handler") -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def hang(handler: "Handler") -> None:
    """Send nothing until the test ends."""
    handler.server.ended.wait(30)  # type: ignore[attr-defined]
    handler.close_connection = True


def dribble(handler: "Handler") -> None:
    """Send an answer of 200 bytes, one every 20 ms until the test ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "200")
    handler.end_headers()
    _send_slowly(handler, b" " * 200)


def dribble_headers(handler: "Handler") -> None:
    """Send the headers of an answer, a byte every 20 ms until the test ends."""
    _send_slowly(handler, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Fill: " + b"x" * 200)


def _send_slowly(handler: "Handler", content: bytes) -> None:
    with contextlib.suppress(OSError):
        for byte in content:
            if handler.server.ended.wait(0.02):  # type: ignore[attr-defined]
                break
            handler.wfile.write(bytes([byte]))
    handler.close_connection = True


class Handler(BaseHTTPRequestHandler):
    """Takes the next step of the script for each request; the last step answers all further ones."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        step = server.script.pop(0) if len(server.script) > 1 else server.script[0]
        if not isinstance(step, Answer):
            step(self)
            return
        content = step.content if isinstance(step.content, bytes) else json.dumps(step.content).encode()
        self.send_response(step.status)
        for name, value in step.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Scripted(ThreadingHTTPServer):
    """The server.

    Attributes:
        script: steps that the next requests get.
        requests: path, headers and body of every request so far.
        ended: set when the test ends.
    """

    daemon_threads = True

    def __init__(self, script: list[Step]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script, self.requests, self.ended = script, list[tuple[str, dict[str, str], bytes]](), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextlib.contextmanager
def scripted(*script: Step) -> Iterator[Scripted]:
    """Run a server with a script until the block ends."""
    server = Scripted(list(script))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


Ask = Callable[..., Any]


def ask_synchronously(method: str, *arguments: Any, url: str, settings: Mapping[str, Any] = {}, **options: Any) -> Any:
    """Return what a method of a new `Client` returns."""
    with Client(url, **settings) as client:
        return getattr(client, method)(*arguments, **options)


def ask_asynchronously(method: str, *arguments: Any, url: str, settings: Mapping[str, Any] = {}, **options: Any) -> Any:
    """Return what a method of a new `AsyncClient` returns."""

    async def ask() -> Any:
        async with AsyncClient(url, **settings) as client:
            return await getattr(client, method)(*arguments, **options)

    return anyio.run(ask)
