"""Parts of the OpenAPI document that the paths of all kinds of models share."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from schemas.problem_kinds import GATEWAY_PROBLEMS, PROBLEM_KINDS, ProblemName, names_by_status, type_uri

# Requests and answers of the bundles in model_store; scripts/write_openapi_examples.py writes them with the models.
EXAMPLES: Mapping[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text(encoding="utf-8"))

SECURITY_SCHEMES: Mapping[str, Any] = {
    "ApiKeyAuth": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "An API key of the operator. A service without keys ignores the header.",
    },
    "bearerAuth": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same API key, as `Authorization: Bearer KEY`.",
    },
}

_TEXT = {"type": "string"}
PARAMETERS: Mapping[str, Any] = {
    "RequestId": {
        "name": "x-request-id",
        "in": "header",
        "description": "Id of the request in answers, logs and traces. The gateway makes one if it is absent.",
        "schema": _TEXT,
    },
    "TraceParent": {
        "name": "traceparent",
        "in": "header",
        "description": "Position of the request in the client's trace (W3C Trace Context).",
        "schema": _TEXT,
    },
}
HEADERS: Mapping[str, Any] = {
    "RequestId": {
        "description": "Id of the request: the client's, or one from the gateway. Give it to the operator.",
        "schema": _TEXT,
    },
    "TraceParent": {
        "description": "Trace of the request. Absent if the client sent none and the service sends no traces.",
        "schema": _TEXT,
    },
}

_PROBLEM_HEADERS = {  # by status of the problem: name, description and JSON type of the header that the gateway adds
    401: ("WWW-Authenticate", "Authentication scheme that the key is sent with.", "string"),
    405: ("Allow", "HTTP methods that the address takes.", "string"),
    429: ("Retry-After", "Number of seconds to wait before the next try.", "integer"),
    503: ("Retry-After", "Number of seconds to wait before the next try.", "integer"),
}


def ref(section: Literal["schemas", "responses", "parameters", "headers"], component: str) -> dict[str, Any]:
    """Return a reference to a component of the document."""
    return {"$ref": f"#/components/{section}/{component}"}


def json_content(components: Iterable[str], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON content of one of several components, with named examples."""
    schemas = [ref("schemas", name) for name in components]
    return {
        "application/json": {
            "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
            **({"examples": examples} if examples else {}),
        }
    }


def responses(description: str, content: Mapping[str, Any], problems: Iterable[ProblemName]) -> dict[str, Any]:
    """Return the responses of an address: the answer, and all problems by status.

    Args:
        description: description of the answer.
        content: content of the answer.
        problems: problems that the model answers with; those of the gateway are added.
    """
    by_status = names_by_status(dict.fromkeys((*problems, *GATEWAY_PROBLEMS)))
    return {
        "200": {"description": description, "headers": _headers(), "content": content},
        **{
            str(status): ref("responses", _component(names))
            if names == _GATEWAY_BY_STATUS.get(status)
            else problem_response(status, names)
            for status, names in by_status.items()
        },
    }


def problem_response(status: int, names: Iterable[ProblemName]) -> dict[str, Any]:
    """Return the response for a status: one of the problems that have it."""
    return {
        "description": " Or: ".join(f"{PROBLEM_KINDS[name].title}." for name in names),
        "headers": _headers(status),
        "content": {"application/problem+json": {"schema": ref("schemas", "Problem")}},
        "x-problem-types": [type_uri(name) for name in names],
    }


def _headers(status: int = 200) -> dict[str, Any]:
    """Return the headers of a response."""
    headers = {"x-request-id": ref("headers", "RequestId"), "traceparent": ref("headers", "TraceParent")}
    if status in _PROBLEM_HEADERS:
        header, description, json_type = _PROBLEM_HEADERS[status]
        headers[header] = {"description": description, "schema": {"type": json_type}}
    return headers


def _component(names: Iterable[ProblemName]) -> str:
    """Return the name of a response in the document's components, such as ``OverloadedOrUnavailable``."""
    return "Or".join(name.title().replace("-", "") for name in names)


_GATEWAY_BY_STATUS = names_by_status(GATEWAY_PROBLEMS)
GATEWAY_RESPONSES: Mapping[str, Any] = {
    _component(names): problem_response(status, names) for status, names in _GATEWAY_BY_STATUS.items()
}
