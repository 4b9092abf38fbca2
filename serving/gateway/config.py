"""Gateway configuration: bind address, authentication, models and their admission limits.

files.py renders Envoy's configuration from it, and envoy.py runs Envoy.
"""

import ipaddress
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.cores import n_cores
from runtime.memory import memory_limit
from serving.gateway.certificate import Certificate
from serving.gateway.errors import GatewayError
from serving.gateway.keys import ApiKey
from serving.gateway.rate_limit import RateLimit
from serving.gateway.reloaded import Reloaded
from serving.gateway.tracing import Tracing
from serving.ports import HOST

MAX_BODY = 10_485_760  # bytes of any request; equals max_request_size of config.properties
CONSOLE_MAX_BODY = 1_048_576  # bytes of a request to the console, except for those to label photos
KEYLESS_LIMIT = RateLimit(10, "min")  # new appeals of an address without a key, where others need one
MAX_CONNECTIONS = 4096  # client connections
MIN_MEMORY, MAX_MEMORY = 64 << 20, 1 << 30  # bytes of Envoy's heap, most of it incomplete request bodies
HEADERS_KB = 7  # Envoy adds headers, and TorchServe accepts 8 KiB in total


@dataclass(frozen=True)
class AdmissionLimit:
    """Adaptive concurrency limit of the expensive requests to one path of a model.

    Envoy admits ``min_concurrent`` requests at a time, however slow they are. It raises the limit, up to
    ``max_concurrent``, while the median latency stays below ``target_latency_ms``.

    Attributes:
        path: ``predictions`` or ``explanations``.
        min_concurrent: lower bound of the limit, in requests.
        max_concurrent: upper bound of the limit, in requests.
        target_latency_ms: median latency that the limit is adjusted to, in milliseconds.
        min_body_bytes: size of the smallest request body that the limit applies to; shorter requests are cheap and
            pass without it.
    """

    path: str
    min_concurrent: int
    max_concurrent: int
    target_latency_ms: float
    min_body_bytes: int = 0


@dataclass(frozen=True)
class ServedModel:
    """A model behind the gateway, and the number of requests that the gateway admits to it.

    Attributes:
        name: last segment of the model's address, ``/predictions/NAME``.
        workers: number of worker processes in all instances together.
        max_concurrent: number of requests of all kinds that are admitted at a time; Envoy rejects further ones.
        timeout: seconds after which Envoy gives up a request.
        limits: admission limits of expensive requests, at most one for each path.
        max_body: size of the largest accepted request body in bytes.
        kind: kind of the model, whose addresses the contract describes; the name if left out.
    """

    name: str
    workers: int
    max_concurrent: int
    timeout: float
    limits: Sequence[AdmissionLimit] = ()
    max_body: int = MAX_BODY
    kind: str | None = None


@dataclass(frozen=True)
class Timeouts:
    """Times that the gateway grants a client, in seconds.

    Attributes:
        handshake: time for the handshake of TLS.
        headers: time for the headers of a request.
        request: time for a whole request.
        stream_idle: time without any progress of a request or its answer.
        idle: time that a connection may stay open without a request.
        idle_if_full: same, if nine tenths of the connections are taken.
        connection: age at which a connection is closed after its next answer.
        console: time for an answer of the console, such as an export that is streamed.
        stream: time that a stream of events stays open, or that a download of photos takes. The browser begins a new
            stream then, with its key.
        idle_at_stop: time that a stop waits for idle connections, on which a request may be on its way.
    """

    handshake: float = 10
    headers: float = 10
    request: float = 60
    stream_idle: float = 120
    idle: float = 300
    idle_if_full: float = 5
    connection: float = 3600
    console: float = 300
    stream: float = 3600
    idle_at_stop: float = 10


@dataclass(frozen=True)
class GatewayConfig:
    """Settings of the gateway.

    Attributes:
        port: port for client requests.
        host: IP address that the port is bound to.
        keys: accepted API keys with the names of their clients; None if requests need no key.
        tls: certificate and its private key; None for plain HTTP.
        rate_limits: limits of each client, which is an API key's client, or an address if requests need no key.
        probes_port: port of the exporter, which answers ``/livez`` and ``/readyz``.
        probes_host: IP address that the exporter is bound to.
        max_connections: number of client connections; Envoy closes further ones at once. The limit is at most half of
            the files that a process may open.
        max_memory: limit of Envoy's heap in bytes; Envoy rejects requests when 90 % are in use. None for a quarter of
            the memory that the container or the machine has, from 64 MiB to 1 GiB.
        tracing: destination of the spans; None for no traces.
        threads: number of Envoy's worker threads; None for one for every eight processor cores.
        timeouts: times that it grants a client.
        console: Unix socket of the console, which has the pages; None for no pages.
        public_url: address that browsers use, if it is another than `url`.
        health_check_interval: seconds between two health checks of an instance; None for none, where an instance has
            one thread, which answers nothing while it computes.
    """

    port: int = 8080
    host: str = HOST
    keys: Reloaded[Sequence[ApiKey]] | None = None
    tls: Reloaded[Certificate] | None = None
    rate_limits: Sequence[RateLimit] = ()
    probes_port: int = 8082
    probes_host: str = HOST
    max_connections: int = MAX_CONNECTIONS
    max_memory: int | None = None
    tracing: Tracing | None = None
    threads: int | None = None
    timeouts: Timeouts = Timeouts()
    console: Path | None = None
    public_url: str = ""
    health_check_interval: float | None = 2.0

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.host)
        except ValueError as error:
            raise GatewayError(f"--host {self.host} is not an IP address, like 127.0.0.1 or 0.0.0.0") from error
        try:
            ipaddress.ip_address(self.probes_host)
        except ValueError as error:
            raise GatewayError(
                f"--metrics-host {self.probes_host} is not an IP address, like 127.0.0.1, 0.0.0.0 or ::"
            ) from error

    @property
    def heap_bytes(self) -> int:
        """Limit of Envoy's heap in bytes."""
        return self.max_memory or min(max(memory_limit() // 4, MIN_MEMORY), MAX_MEMORY)

    @property
    def worker_threads(self) -> int:
        """Number of Envoy's worker threads."""
        return self.threads or max(1, n_cores() // 8)

    @property
    def connections(self) -> int:
        """Limit of client connections."""
        return min(self.max_connections, _max_open_files() // 2)

    @property
    def url(self) -> str:
        """Base URL for clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def local_probes_host(self) -> str:
        """IP address at which this machine's programs reach the exporter."""
        host = str(ipaddress.ip_address(self.probes_host))
        return {"0.0.0.0": HOST, "::": "::1"}.get(host, host)  # noqa: S104

    @property
    def metrics_url(self) -> str:
        """Address of the metrics for this machine's programs."""
        host = f"[{self.local_probes_host}]" if ":" in self.local_probes_host else self.local_probes_host
        return f"http://{host}:{self.probes_port}/metrics"

    def warnings(self) -> list[str]:
        """Return a warning for each protection that is missing on a port that other machines can reach."""
        if ipaddress.ip_address(self.host).is_loopback:
            return []
        warnings = []
        if not self.keys:
            warnings.append(f"anyone who can reach {self.url} can use the models; require a key with --api-keys FILE")
        if not self.tls:
            keys = ", including the API keys," if self.keys else ""
            warnings.append(
                f"traffic to and from {self.url}{keys} is not encrypted; encrypt it with --tls-cert and --tls-key"
            )
        return warnings


def _max_open_files() -> int:
    """Return the number of files that Envoy may open: it raises its own limit to the hard one, and stalls there."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard
