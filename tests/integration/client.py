"""Client with which the tests send requests to a running service."""

import http.client
import json
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from serving import local_http
from serving.gateway.envoy import Gateway
from serving.local_http import Address
from serving.ports import HOST
from serving.service import Service
from serving.torchserve.server import Server
from tests.integration.runners.direct import Direct

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass
class Answer:
    status: int
    kind: str | None
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict)


def ask(
    server: Server | Direct | Service | Gateway,
    body: bytes | dict[str, Any] | Iterable[bytes] | None,
    *,
    method: str = "POST",
    kind: str = JSON,
    path: str = "/predictions/sales",
    headers: Mapping[str, str] = {},
) -> Answer:
    """Send one request on a new connection; an iterable body is sent in chunks."""
    sent = json.dumps(body).encode() if isinstance(body, dict) else body
    if isinstance(server, Direct):
        port: Address = server.port(path)
    else:
        port = server.address if isinstance(server, Server) else server.config.port
    assert isinstance(port, int)
    with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as connection:
        connection.request(method, path, sent, {**({"Content-Type": kind} if kind else {}), **headers})
        response = connection.getresponse()
        content = response.read()
        said = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, said.get("content-type"), json.loads(content) if content else None, said)


def manage(server: Server, path: str) -> Any:
    """Return an answer of TorchServe's management."""
    return json.loads(local_http.ask(server.folder / "management.sock", path))
