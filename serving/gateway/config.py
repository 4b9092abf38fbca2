"""Gateway configuration: bind address, authentication, models and their admission limits.

`render` fills in the template of Envoy's configuration; envoy.py runs Envoy with it.
"""

import ipaddress
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from runtime.memory import memory_limit
from schemas import openapi
from serving.gateway.errors import GatewayError
from serving.gateway.keys import ApiKey
from serving.gateway.refusals import refusals
from serving.ports import HOST

MAX_BODY = 10_485_760  # bytes of any request; equals max_request_size of config.properties
MAX_CONNECTIONS = 4096  # client connections
MIN_MEMORY, MAX_MEMORY = 64 << 20, 1 << 30  # bytes of Envoy's heap, most of it incomplete request bodies
HEADERS_KB = 7  # Envoy adds headers, and TorchServe accepts 8 KiB in total

_TEMPLATE = Path(__file__).resolve().with_name("envoy.yaml.jinja")


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
        workers: number of worker processes in all TorchServe instances together.
        max_concurrent: number of requests of all kinds that are admitted at a time; Envoy rejects further ones.
        timeout: seconds after which Envoy gives up a request.
        limits: admission limits of expensive requests, at most one for each path.
        max_body: size of the largest accepted request body in bytes.
    """

    name: str
    workers: int
    max_concurrent: int
    timeout: float
    limits: Sequence[AdmissionLimit] = ()
    max_body: int = MAX_BODY


@dataclass(frozen=True)
class GatewayConfig:
    """Settings of the gateway.

    Attributes:
        port: port for client requests.
        host: IP address that the port is bound to.
        keys: accepted API keys with the names of their clients; without any, requests need no key.
        tls: PEM files of the certificate and of its private key; None for plain HTTP.
        probes_port: port of the exporter, which answers ``/livez`` and ``/readyz``.
        probes_host: IPv4 address that the exporter is bound to.
        max_connections: number of client connections; Envoy closes further ones at once. The limit is at most half of
            the files that a process may open.
        max_memory: limit of Envoy's heap in bytes; Envoy rejects requests when 90 % are in use. None for a quarter of
            the memory that the container or the machine has, from 64 MiB to 1 GiB.
        health_check_interval: seconds between two health checks of a TorchServe instance.
    """

    port: int = 8080
    host: str = HOST
    keys: Sequence[ApiKey] = ()
    tls: tuple[Path, Path] | None = None
    probes_port: int = 8082
    probes_host: str = HOST
    max_connections: int = MAX_CONNECTIONS
    max_memory: int | None = None
    health_check_interval: float = 2.0

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.host)
        except ValueError as error:
            raise GatewayError(f"--host {self.host} is not an IP address, like 127.0.0.1 or 0.0.0.0") from error
        try:
            ipaddress.IPv4Address(self.probes_host)
        except ValueError as error:
            raise GatewayError(
                f"--metrics-host {self.probes_host} is not an IPv4 address, like 127.0.0.1 or 0.0.0.0"
            ) from error

    @property
    def url(self) -> str:
        """Base URL for clients."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

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


def render(config: GatewayConfig, models: Sequence[ServedModel], folder: Path) -> str:
    """Return Envoy's configuration; ``folder`` holds the endpoints files and Envoy's administration socket."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        folder=folder,
        host=config.host,
        port=config.port,
        probes_port=config.probes_port,
        probes_host=HOST if ipaddress.ip_address(config.probes_host).is_unspecified else config.probes_host,
        keys=config.keys,
        tls=config.tls and [str(file.absolute()) for file in config.tls],
        models=models,
        contract=openapi.FILE.read_text(encoding="utf-8"),
        refusals=refusals(MAX_BODY, {model.name: model.max_body for model in models}, HEADERS_KB),
        max_body=MAX_BODY,
        max_connections=min(config.max_connections, _max_open_files() // 2),
        max_memory=config.max_memory or default_memory(),
        headers_kb=HEADERS_KB,
        health_check_interval=config.health_check_interval,
    )


def default_memory() -> int:
    """Return the default limit of Envoy's heap in bytes: a quarter of the memory, within bounds."""
    return min(max(memory_limit() // 4, MIN_MEMORY), MAX_MEMORY)


def _max_open_files() -> int:
    """Return the number of files that Envoy may open: it raises its own limit to the hard one, and stalls there."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard
