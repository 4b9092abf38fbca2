"""A TorchServe's place, taken: an HTTP server that answers as it is told to, so that a test sees what Envoy does."""

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

Behaviour = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, str, bytes]]


def echo(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
    """A 200 with what came."""
    said = {"path": request.path, "headers": {k.lower(): v for k, v in request.headers.items()}, "bytes": len(body)}
    return 200, "application/json", json.dumps(said).encode()


@dataclass
class StandIn:
    """What it does, which may be changed at any time, and what it has seen.

    Attributes:
        socket: where it takes requests, as a TorchServe does.
        port: where it does the same, for probes.
    """

    socket: Path
    port: int
    behaviour: Behaviour = echo
    healthy: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    in_hand: int = 0
    most: int = 0


@contextlib.contextmanager
def standing_in(behaviour: Behaviour = echo) -> Iterator[StandIn]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply(200 if stand_in.healthy else 500, "text/plain", b"x" * 10)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with lock:
                stand_in.seen.append(self.path)
                stand_in.in_hand += 1
                stand_in.most = max(stand_in.most, stand_in.in_hand)
            try:
                status, kind, content = stand_in.behaviour(self, body)
            finally:
                with lock:
                    stand_in.in_hand -= 1
            self.reply(status, kind, content)

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


def sleeping(seconds: float) -> Behaviour:
    def behave(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, str, bytes]:
        time.sleep(seconds)
        return echo(request, body)

    return behave
