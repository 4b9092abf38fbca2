"""What the outside may know of a server: `/metrics` for Prometheus, `/livez`, `/readyz`.

One address has the workers' figures (metrics.py, added up over all workers, the dead ones too), what this process sees
of the server's processes, the host and its GPUs, and beside them what TorchServe and the front door say of themselves.
"""

import contextlib
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from handlers.readiness import ReadyWorker, ready_workers
from handlers.worker_paths import WorkerPaths
from serving.monitoring.host_metrics import HostCollector
from serving.monitoring.server_metrics import ServerCollector
from serving.monitoring.watched import Watched
from serving.monitoring.worker_metrics import WorkersCollector
from serving.ports import HOST, hold_port

logger = logging.getLogger(__name__)

IDLE_S = 60.0  # that a connection may be; more than Prometheus lets pass between two scrapes


_SAMPLE = re.compile(r"^([\w:]+)(?:\{(.*)\})? ")  # a metric's name and its labels


def torchserve_metrics(metrics: Mapping[int, Callable[[], bytes]]) -> bytes:
    """The figures of several TorchServes beside each other, told apart by the label ``torchserve``.

    They are asked at once: those that hang must not take more of the time that Prometheus waits than one does.

    Args:
        metrics: what gives those of one, in Prometheus's text format, by its place among them. One that raises
            `OSError` is left out.
    """
    with ThreadPoolExecutor(max(len(metrics), 1)) as pool:
        texts = list(pool.map(_text, metrics.values()))
    families: dict[str, list[str]] = {}  # a metric's comments and samples stand together, and the comments once
    for place, text in zip(metrics, texts, strict=True):
        family = families.setdefault("", [])
        for line in text.splitlines():
            if line.startswith("# "):
                family = families.setdefault(line.split()[2] if len(line.split()) > 2 else "", [])
                if line not in family:
                    family.append(line)
            else:
                family.append(_SAMPLE.sub(rf'\1{{torchserve="{place}",\2}} ', line))
    return "".join(f"{line}\n" for family in families.values() for line in family).encode()


def _text(scrape: Callable[[], bytes]) -> str:
    try:
        return scrape().decode(errors="replace")
    except OSError:
        return ""


class Exporter:
    """Answers `/metrics`, `/livez` and `/readyz`.

    A server is alive while what takes its requests answers, and ready while also every model has a worker that is. One
    that is alive and hangs is restarted by who asks `/livez`; one that starts is alive, as long as it may take.
    """

    def __init__(self, shared: WorkerPaths, watch: Callable[[], Watched]) -> None:
        """Set up.

        Args:
            shared: what the workers write.
            watch: what there is to watch now.
        """
        self._ready, self._watch = shared.ready, watch
        self._registry = CollectorRegistry()
        self._registry.register(WorkersCollector(shared.metrics))
        self._registry.register(ServerCollector(self.state))
        self._registry.register(HostCollector())

    def state(self) -> tuple[Watched, list[ReadyWorker]]:
        """What is watched, and the workers that are ready."""
        return self._watch(), ready_workers(self._ready)

    def metrics(self) -> bytes:
        """All figures, in Prometheus's text format."""
        parts = [generate_latest(self._registry)]
        for scrape in self._watch().scrapes:
            with contextlib.suppress(OSError):
                parts.append(scrape())
        return b"\n".join(parts)

    def dead(self) -> list[str]:
        """Why the server is not alive; nothing if it is."""
        return self._watch().dead()

    def missing(self) -> list[str]:
        """Why the server is not ready; nothing if it is."""
        watched, ready = self.state()
        return watched.missing(ready)


@contextlib.contextmanager
def exporting(exporter: Exporter, port: int, host: str = HOST) -> Iterator[None]:
    """Serve an exporter on a port, of the loopback if no other address is named, for as long as the block lasts.

    Raises:
        PortError: if the port can't be had.
    """
    held = hold_port(port, host, "--metrics-port")
    with _HTTPServer((host, port), _handler(exporter), bind_and_activate=False) as server:
        server.socket.close()
        server.socket = held
        server.server_activate()
        thread = threading.Thread(target=server.serve_forever, name="exporter", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _HTTPServer(ThreadingHTTPServer):
    request_queue_size = 128  # connections that wait to be taken; Python's 5 are too few for who comes at once


def _handler(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "shopcat", ""  # no library's version reaches a client
        timeout = IDLE_S  # each connection has a thread

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            try:
                if path == "/metrics":
                    self._answer(HTTPStatus.OK, exporter.metrics(), CONTENT_TYPE_LATEST)
                elif path == "/livez":
                    self._probe(exporter.dead())
                elif path == "/readyz":
                    self._probe(exporter.missing())
                else:
                    self._answer(HTTPStatus.NOT_FOUND, b"/metrics, /livez and /readyz are here\n", "text/plain")
            except Exception:
                logger.exception("%s failed", path)
                self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"the log has the cause\n", "text/plain")

        do_HEAD = do_GET  # noqa: N815 - what is asked is the status; the body is left out below

        def _probe(self, missing: Sequence[str]) -> None:
            status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
            body = {"status": "unavailable" if missing else "ok", **({"missing": missing} if missing else {})}
            self._answer(status, json.dumps(body).encode(), "application/json")

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: a probe every second is no news."""

    return Handler
