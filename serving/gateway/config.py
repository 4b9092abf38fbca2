"""What the front door is: where it stands, whom it lets in and how many, and what it says to the others.

`configuration` says it all to Envoy; edge.py runs that.
"""

import http
import ipaddress
import os
import resource
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from runtime.errors import UserError
from schemas import openapi
from schemas.problem_kinds import ProblemName
from schemas.problems import Problem
from serving.ports import HOST

MAX_BODY = 10_485_760  # bytes; max_request_size of config.properties
MAX_CONNECTIONS = 4096  # of clients
MAX_MEMORY = 1 << 30  # bytes of Envoy, most of them bodies that are not whole yet
HEADERS_KB = 7  # with what Envoy adds, less than TorchServe's 8

_TEMPLATE = Path(__file__).resolve().with_name("envoy.yaml.jinja")
_AGAIN = "wait as many seconds as Retry-After says and send it again"
# What is said in place of a model: by the flags that Envoy has for the cause, or else by the status.
_REFUSALS: Sequence[tuple[Sequence[str], int, ProblemName, str]] = [
    (("UO", "OM"), 503, "overloaded", f"there is no room for this request now; {_AGAIN}"),
    (("UT", "DT", "SI"), 504, "timeout", "the model did not answer in time; ask for less at a time"),
    ((), 429, "overloaded", f"there is no room for this request now; {_AGAIN}"),
    ((), 400, "malformed-request", "the request's address, headers or framing can't be read"),
    ((), 401, "unauthorized", "send a key in the header Authorization: Bearer KEY, or X-API-Key: KEY"),
    ((), 404, "not-found", "the addresses are listed in /openapi.json"),
    ((), 405, "method-not-allowed", "the header Allow has the methods that this address takes"),
    ((), 408, "request-timeout", "the request was not whole in time; send it faster"),
    ((), 413, "too-large", f"a body has at most {MAX_BODY:,} bytes; send less at a time, or a smaller photo"),
    ((), 426, "malformed-request", "the request is not of a version of HTTP that is spoken here"),
    ((), 431, "headers-too-large", f"headers and address have at most {HEADERS_KB} KiB together"),
    ((), 501, "malformed-request", "a Transfer-Encoding other than chunked is not spoken here"),
    ((), 502, "unavailable", f"the model's answer broke off; {_AGAIN}"),
    ((), 503, "unavailable", f"no model could be reached; {_AGAIN}"),
    ((), 504, "timeout", "the model did not answer in time; ask for less at a time"),
]


class DoorError(UserError):
    """A front door that can't be had as it is asked for; the message names the file or the option."""


@dataclass(frozen=True)
class Lane:
    """Requests that may each cost as much as many others, and how many of them are let in.

    Attributes:
        path: ``predictions`` or ``explanations``, which they are sent to.
        over: bytes; a request with a shorter body, or with one as long, costs little and is not of the lane.
        least: requests that are let in at once, however long they take.
        most: that are let in at once; one more is refused.
        latency_ms: milliseconds; beyond ``least`` as many are let in as leave half of the answers faster than this.
    """

    path: str
    least: int
    most: int
    latency_ms: float
    over: int = 0


@dataclass(frozen=True)
class Model:
    """A model behind the front door, and how much of it is let in.

    Attributes:
        name: as in ``/predictions/NAME``.
        workers: that answer it, in all TorchServes.
        most: requests that are let in at once, of all kinds; one more is refused.
        timeout: seconds until a request is given up.
        lanes: of requests that cost much, one a path at most.
    """

    name: str
    workers: int
    most: int
    timeout: float
    lanes: Sequence[Lane] = ()


@dataclass(frozen=True)
class Door:
    """Where the front door is and who gets in.

    Attributes:
        port: that clients ask.
        host: the IP address that it is bound to.
        keys: of which a request must have one, if there are any.
        tls: files with a certificate and its key, both PEM; plain HTTP without.
        probes: the port that answers ``/livez`` and ``/readyz``.
        probes_host: the IPv4 address that it is bound to.
        max_connections: of clients; one more is closed at once. Fewer if there may not be twice as many open files.
        max_memory: bytes of Envoy; when nine tenths are in use, requests are refused.
    """

    port: int = 8080
    host: str = HOST
    keys: Sequence[str] = ()
    tls: tuple[Path, Path] | None = None
    probes: int = 8082
    probes_host: str = HOST
    max_connections: int = MAX_CONNECTIONS
    max_memory: int = MAX_MEMORY

    def __post_init__(self) -> None:
        try:
            ipaddress.ip_address(self.host)
        except ValueError as error:
            raise DoorError(f"--host {self.host} is not an IP address, like 127.0.0.1 or 0.0.0.0") from error
        try:
            ipaddress.IPv4Address(self.probes_host)
        except ValueError as error:
            raise DoorError(
                f"--metrics-host {self.probes_host} is not an IPv4 address, like 127.0.0.1 or 0.0.0.0"
            ) from error

    @property
    def url(self) -> str:
        """The address of it all."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def warnings(self) -> list[str]:
        """What is open that should perhaps not be."""
        if ipaddress.ip_address(self.host).is_loopback:
            return []
        said = []
        if not self.keys:
            said.append(f"whoever reaches {self.url} can use the models; --api-keys FILE asks for a key")
        if not self.tls:
            said.append(
                f"what goes to and from {self.url}{', the keys too,' if self.keys else ''} can be read on the way; "
                f"--tls-cert and --tls-key encrypt it"
            )
        return said


def configuration(door: Door, models: Sequence[Model], folder: Path) -> str:
    """Envoy's configuration, filled in; ``folder`` has the file of endpoints and gets the socket."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
        folder=folder,
        host=door.host,
        port=door.port,
        probes=door.probes,
        probes_host=HOST if ipaddress.ip_address(door.probes_host).is_unspecified else door.probes_host,
        keys=door.keys,
        tls=door.tls and [str(file.absolute()) for file in door.tls],
        models=models,
        contract=openapi.FILE.read_text(encoding="utf-8"),
        refusals=[{"flags": flags, "code": code, **_problem(kind, detail)} for flags, code, kind, detail in _REFUSALS],
        max_body=MAX_BODY,
        max_connections=min(door.max_connections, _open_files() // 2),
        max_memory=door.max_memory,
        headers_kb=HEADERS_KB,
    )


def _open_files() -> int:
    """How many files Envoy may have open: it raises its limit as far as it can, and stalls where it ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _problem(kind: ProblemName, detail: str) -> dict[str, Any]:
    """A problem as Envoy sends it."""
    problem = Problem.of(kind, detail)
    headers = {}
    if problem.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    if problem.status == http.HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    added: list[dict[str, Any]] = [{"header": {"key": key, "value": value}} for key, value in headers.items()]
    # What is refused before it is a request has no id yet; otherwise its own takes this one's place.
    added.append({"header": {"key": "x-request-id", "value": "%UNIQUE_ID%"}, "append_action": "ADD_IF_ABSENT"})
    return {"status": problem.status, "body": problem.to_json().decode(), "headers": added}


def read_keys(file: Path) -> list[str]:
    """The keys in a file, one a line; empty lines and those that begin with # are skipped.

    Raises:
        DoorError: if it can't be read, has no key, or one that no header can carry or that is easily guessed.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DoorError(f"the keys in {file} can't be read: {error}") from error
    keys = {}
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        if not (line.isascii() and line.isprintable() and " " not in line and len(line) >= 16):
            raise DoorError(
                f"line {number} of {file} is not a key: it needs 16 characters or more, all of them ASCII and no "
                f"space; `openssl rand -hex 24` makes one"
            )
        keys[line] = number
    if not keys:
        raise DoorError(f"{file} has no keys, so that nobody could get in; write one a line")
    return list(keys)


def check_certificate(certificate: Path, key: Path) -> None:
    """Raise an `DoorError` if the files are not a certificate and its key."""
    for file in (certificate, key):
        if not os.access(file, os.R_OK):
            raise DoorError(f"{file}, for TLS, can't be read; is it there, and yours to read?")
    try:
        # An empty password, where OpenSSL would ask the terminal for one.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise DoorError(
            f"{certificate} and {key} are not a certificate and its key, both PEM, the key without a password "
            f"({error.reason or error})"
        ) from error
