"""Error responses that Envoy sends without asking a model, as problem details like those of the models."""

import http
import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.problem_kinds import ProblemName
from schemas.problems import Problem

_RETRY = "wait as many seconds as Retry-After says and send it again"


def refusals(max_body: int, bodies: Mapping[str, int], headers_kb: int) -> list[dict[str, Any]]:
    """Return the error responses in the order in which Envoy matches them.

    Args:
        max_body: largest accepted body of any model in bytes, for the message.
        bodies: largest accepted body of each model in bytes, for the message.
        headers_kb: largest accepted headers and address together in KiB, for the message.

    Returns:
        Dictionaries with Envoy's ``flags`` for the cause (empty: match by ``code``), a regular expression ``path`` of
        the request's address (empty: any), the ``code`` that Envoy would send, and the ``status``, ``body`` and
        ``headers`` that it sends instead.
    """
    overloaded = f"too many requests are in progress; {_RETRY}"
    timeout = "the model did not answer in time; ask for less at a time"
    responses: Sequence[tuple[Sequence[str], int, ProblemName, str]] = [
        (("UO", "OM"), 503, "overloaded", overloaded),
        (("UT", "DT", "SI"), 504, "timeout", timeout),
        ((), 429, "overloaded", overloaded),
        ((), 400, "malformed-request", "the request's address, headers or framing can't be read"),
        ((), 401, "unauthorized", "send a key in the header Authorization: Bearer KEY, or X-API-Key: KEY"),
        ((), 404, "not-found", "the addresses are listed in /openapi.json"),
        ((), 405, "method-not-allowed", "the header Allow lists the methods of this address"),
        ((), 408, "request-timeout", "the request was not complete in time; send it faster"),
        ((), 413, "too-large", _too_large(max_body)),
        ((), 426, "malformed-request", "the request's version of HTTP is not supported"),
        ((), 431, "headers-too-large", f"headers and address have at most {headers_kb} KiB together"),
        ((), 501, "malformed-request", "the only supported Transfer-Encoding is chunked"),
        ((), 502, "unavailable", f"the model's answer ended early; {_RETRY}"),
        ((), 503, "unavailable", f"no model could be reached; {_RETRY}"),
        ((), 504, "timeout", timeout),
    ]
    by_model = [
        {
            "flags": (),
            "path": rf"/(predictions|explanations)/{re.escape(model)}(\?.*)?",
            "code": 413,
            **_response("too-large", _too_large(size)),
        }
        for model, size in bodies.items()
        if size != max_body
    ]
    return by_model + [
        {"flags": flags, "path": "", "code": code, **_response(kind, detail)} for flags, code, kind, detail in responses
    ]


def _too_large(size: int) -> str:
    return f"a body has at most {size:,} bytes here; send less at a time, or a smaller photo"


def _response(kind: ProblemName, detail: str) -> dict[str, Any]:
    """Return a problem's status, body and headers in the form of Envoy's configuration."""
    problem = Problem.of(kind, detail)
    headers = {}
    if problem.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = "1"
    if problem.status == http.HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    added: list[dict[str, Any]] = [{"header": {"key": key, "value": value}} for key, value in headers.items()]
    # Bytes that Envoy can't parse as a request have no ID yet. Any other request keeps its own.
    added.append({"header": {"key": "x-request-id", "value": "%UNIQUE_ID%"}, "append_action": "ADD_IF_ABSENT"})
    return {"status": problem.status, "body": problem.to_json().decode(), "headers": added}
