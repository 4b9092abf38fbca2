"""A stand-in for TorchServe: an HTTP server with a behaviour that a test chooses, to see what Envoy does with it."""

import contextlib
import json
import socketserver
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from serving.ports import HOST

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, str, bytes] | None]  # None: it has answered itself


def echo(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
    """Answer 200 with the request's path and headers and the size of its body."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    content = {"path": request.path, "headers": headers, "bytes": len(body)}
    return 200, "application/json", json.dumps(content).encode()


def sleeping(seconds: float) -> Behaviour:
    """Answer as `echo` after some seconds."""

    def behave(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
        time.sleep(seconds)
        return echo(request, body)

    return behave


def held(released: threading.Event) -> Behaviour:
    """Answer as `echo` once an event is set."""

    def behave(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
        assert released.wait(60)
        return echo(request, body)

    return behave


@dataclass
class StandIn:
    """A running stand-in.

    Attributes:
        socket: Unix socket for requests, as TorchServe has one.
        port: port that answers the same, for probes.
        behaviour: makes the answer to a request that is no probe; may be replaced at any time.
        headers: headers added to each answer.
        paths: paths of all these requests so far.
        in_progress: number of these requests that are not answered yet.
        max_in_progress: largest value of ``in_progress`` so far; a test may reset it.
    """

    socket: Path
    port: int
    behaviour: Behaviour = echo
    headers: dict[str, str] = field(default_factory=dict)
    paths: list[str] = field(default_factory=list)
    in_progress: int = 0
    max_in_progress: int = 0


@contextlib.contextmanager
def standing_in(behaviour: Behaviour = echo) -> Iterator[StandIn]:
    """Run a stand-in until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith(("/console", "/feedback", "/review", "/appeals", "/labels")):
                self.do_POST()
            else:  # probes, and the gateway's health checks
                self.reply(200, "text/plain", b"x" * 10)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            with lock:
                stand_in.paths.append(self.path)
                stand_in.in_progress += 1
                stand_in.max_in_progress = max(stand_in.max_in_progress, stand_in.in_progress)
            try:
                answer = stand_in.behaviour(self, body)
            finally:
                with lock:
                    stand_in.in_progress -= 1
            if answer is not None:
                self.reply(*answer)

        do_DELETE = do_PUT = do_PATCH = do_HEAD = do_POST  # noqa: N815 - the names that http.server looks up

        def reply(self, status: int, kind: str, content: bytes) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                if kind:
                    self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                for name, value in stand_in.headers.items():
                    self.send_header(name, value)
                self.send_header("x-request-id", "torchserve's own")
                self.end_headers()
                self.wfile.write(content)
                self.wfile.flush()

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(socketserver.ThreadingMixIn):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: Any) -> None:
            pass

    class Tcp(Quiet, socketserver.TCPServer):
        pass

    class Unix(Quiet, socketserver.UnixStreamServer):
        pass

    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        path = Path(folder, "inference.sock")
        servers = [running.enter_context(Unix(str(path), Handler)), running.enter_context(Tcp((HOST, 0), Handler))]
        stand_in = StandIn(path, servers[1].server_address[1], behaviour)
        for server in servers:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            running.callback(thread.join)
            running.callback(server.shutdown)
        yield stand_in
