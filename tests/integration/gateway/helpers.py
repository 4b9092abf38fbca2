"""Settings, models and checks that the gateway's tests share."""

import re
import socket
from collections.abc import Sequence
from typing import Any

from schemas.problems import Problem
from serving.gateway.config import AdmissionLimit, GatewayConfig, ServedModel
from serving.gateway.envoy import Gateway
from serving.gateway.keys import ApiKey
from serving.gateway.reloaded import Reloaded
from serving.ports import HOST, Ports
from tests.integration.client import PROBLEM, Answer

LIMIT = AdmissionLimit("predictions", min_concurrent=8, max_concurrent=16, target_latency_ms=50.0, min_body_bytes=41)
MODELS = [
    ServedModel("sales", workers=2, max_concurrent=16, timeout=1.0, limits=[LIMIT]),
    ServedModel("pets", workers=2, max_concurrent=3, timeout=5.0),
]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SHOP, APP = ApiKey("shop", "correct-horse-battery"), ApiKey("app", "staple-staple-staple")

POST = b"POST /predictions/sales HTTP/1.1\r\nHost: x\r\n"


def settings(**options: Any) -> GatewayConfig:
    """Return settings with a free port and frequent health checks."""
    return GatewayConfig(Ports.any_free().inference, **({"health_check_interval": 0.2} | options))


def constant(*keys: ApiKey) -> Reloaded[Sequence[ApiKey]]:
    """Return keys that do not change."""
    return Reloaded((), lambda: keys)


def problem(answer: Answer) -> tuple[int, str]:
    """Check that an answer is a complete problem with a request ID, and return its status and kind."""
    assert answer.kind == PROBLEM
    found = Problem.model_validate(answer.content)
    assert found.status == answer.status
    assert answer.headers["x-request-id"]
    return answer.status, found.type.rpartition(":")[2]


def exchange(gateway: Gateway, sent: bytes) -> bytes:
    """Send bytes on a new connection and return all bytes that come back."""
    with socket.create_connection((HOST, gateway.config.port), timeout=10) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def request_ids(head: bytes) -> list[str]:
    """Return the values of x-request-id in the head of an answer."""
    return re.findall(r"(?im)^x-request-id: (.*?)\r?$", head.decode())
