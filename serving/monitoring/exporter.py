"""HTTP endpoints for operators: `/metrics` for Prometheus, `/livez`, `/readyz` and `/readyz/NAME`.

`/metrics` has the workers' metrics, added up over all workers, including those that have ended. It adds metrics of the
service's processes, of the host and its GPUs, of TorchServe and of the gateway.
"""

import contextlib
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from handlers.readiness import ReadyWorker, ready_workers
from handlers.worker_paths import WorkerPaths
from serving.monitoring.bounded_server import BoundedServer
from serving.monitoring.host_metrics import HostCollector
from serving.monitoring.server_metrics import ServerCollector
from serving.monitoring.watched import Watched
from serving.monitoring.worker_metrics import WorkersCollector
from serving.ports import HOST, hold_port

logger = logging.getLogger(__name__)

IDLE_S = 60.0  # idle connections are closed after this time, which is longer than Prometheus's scrape interval
SEND_S = 10.0  # a client that takes longer to receive a response is disconnected
_STOP_POLL = 0.05  # seconds between two checks of whether the exporter is to stop

_SAMPLE = re.compile(r"^([\w:]+)(?:\{(.*)\})? ")  # name and labels of a metric


def instance_metrics(metrics: Mapping[int, Callable[[], bytes]]) -> bytes:
    """Return the own metrics of several instances in one text, distinguished by the label ``torchserve``.

    Only TorchServe has some; a worker in Python returns nothing here, because its metrics are in shared files.

    All instances are asked at the same time, so that several that hang delay a scrape no longer than one.

    Args:
        metrics: function for each instance number that returns the instance's metrics in Prometheus's text format. An
            instance whose function raises `OSError` is left out.
    """
    with ThreadPoolExecutor(max(len(metrics), 1)) as pool:
        texts = list(pool.map(_text, metrics.values()))
    families: dict[str, list[str]] = {}  # comments and samples by metric; each comment occurs once
    for instance, text in zip(metrics, texts, strict=True):
        family = families.setdefault("", [])
        for line in text.splitlines():
            if line.startswith("# "):
                family = families.setdefault(line.split()[2] if len(line.split()) > 2 else "", [])
                if line not in family:
                    family.append(line)
            else:
                family.append(_SAMPLE.sub(rf'\1{{torchserve="{instance}",\2}} ', line))
    return "".join(f"{line}\n" for family in families.values() for line in family).encode()


def _text(scrape: Callable[[], bytes]) -> str:
    try:
        return scrape().decode(errors="replace")
    except OSError:
        return ""


class Exporter:
    """Responses to `/metrics`, `/livez` and `/readyz`.

    A service is alive while the process that receives its requests responds. It is ready for a model while, in
    addition, an instance that receives the model's requests has a ready worker of it. `Watched.policy` decides if the
    service is ready while it is ready for any model, or for all. Whoever watches `/livez` restarts a service that
    hangs. A service that is starting counts as alive, however long it takes.
    """

    def __init__(self, shared: WorkerPaths, watch: Callable[[], Watched]) -> None:
        """Set up the collectors of the metrics.

        Args:
            shared: files that the workers write.
            watch: returns the current state of the service.
        """
        self._ready, self._watch = shared.ready, watch
        self._registry = CollectorRegistry()
        self._registry.register(WorkersCollector(shared.metrics))
        self._registry.register(ServerCollector(self.state))
        self._registry.register(HostCollector(shared.metrics))

    def state(self) -> tuple[Watched, list[ReadyWorker]]:
        """Return the state of the service and its ready workers."""
        return self._watch(), ready_workers(self._ready)

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        parts = [generate_latest(self._registry)]
        for scrape in self._watch().scrapes:
            with contextlib.suppress(OSError):
                parts.append(scrape())
        return b"\n".join(parts)

    def dead(self) -> list[str]:
        """Return why the service is not alive; an empty list if it is."""
        return self._watch().dead()

    def missing(self) -> list[str]:
        """Return why the service is not ready; an empty list if it is."""
        watched, ready = self.state()
        return watched.missing(ready)

    def missing_of(self, model: str) -> list[str] | None:
        """Return why the service is not ready for a model; an empty list if it is, None if there is no such model."""
        watched, ready = self.state()
        return watched.missing_of(model, ready) if model in watched.models else None


@contextlib.contextmanager
def exporting(exporter: Exporter, port: int, host: str = HOST) -> Iterator[None]:
    """Serve an exporter on a port, by default of the loopback interface, until the block ends.

    Raises:
        PortError: if the port can't be used.
    """
    with BoundedServer(hold_port(port, host, "--metrics-port"), _handler(exporter)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_STOP_POLL,), name="exporter", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _handler(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "shopcat", ""  # reveals no library's version
        timeout = IDLE_S  # each connection has a thread
        server: BoundedServer

        def do_GET(self) -> None:
            with self.server.answering(self.connection):
                self._answer()

        def _answer(self) -> None:
            path = self.path.partition("?")[0]
            # Only the response is made within the try block: an error while it is sent must not send a second one.
            try:
                status, body, content_type = self._response(path)
            except Exception:
                logger.exception("%s failed", path)
                status, body, content_type = HTTPStatus.INTERNAL_SERVER_ERROR, b"the log has the cause\n", "text/plain"
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.connection.settimeout(SEND_S)  # for all of the body
                self.wfile.write(body)
                self.connection.settimeout(IDLE_S)

        do_HEAD = do_GET  # noqa: N815 - a probe may only ask for the status

        def _response(self, path: str) -> tuple[HTTPStatus, bytes, str]:
            if path == "/metrics":
                return HTTPStatus.OK, exporter.metrics(), CONTENT_TYPE_LATEST
            if path == "/livez":
                return _probe(exporter.dead())
            if path == "/readyz":
                return _probe(exporter.missing())
            model = path.removeprefix("/readyz/")
            if model != path and (missing := exporter.missing_of(model)) is not None:
                return _probe(missing)
            return HTTPStatus.NOT_FOUND, b"/metrics, /livez, /readyz and /readyz/NAME are here\n", "text/plain"

        def log_message(self, *_: object) -> None:
            """Log nothing: probes come every second."""

    return Handler


def _probe(missing: Sequence[str]) -> tuple[HTTPStatus, bytes, str]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
    body = {"status": "unavailable" if missing else "ok", **({"missing": missing} if missing else {})}
    return status, json.dumps(body).encode(), "application/json"
