"""Parts of the OpenAPI document that the paths of all kinds of models share."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from schemas.problem_kinds import GATEWAY_PROBLEMS, PROBLEM_KINDS, ProblemName, names_by_status, type_uri

# Requests and answers of the bundles in model_store; scripts/write_openapi_examples.py writes them with the models.
EXAMPLES: Mapping[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text(encoding="utf-8"))

_GATEWAY_HEADERS = {  # by status of the problem: name, description and JSON type of the header that the gateway adds
    401: ("WWW-Authenticate", "Authentication scheme that the key is sent with.", "string"),
    405: ("Allow", "HTTP methods that the address takes.", "string"),
    503: ("Retry-After", "Number of seconds to wait before the next try.", "integer"),
}


def ref(component: str) -> dict[str, str]:
    """Return a reference to a component of the document."""
    return {"$ref": f"#/components/schemas/{component}"}


def json_content(components: Iterable[str], examples: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON content of one of several components, with named examples."""
    return {"application/json": {"schema": {"anyOf": [ref(name) for name in components]}, "examples": examples}}


def responses(description: str, content: Mapping[str, Any], problems: Iterable[ProblemName]) -> dict[str, Any]:
    """Return the responses of an address: the answer, and all problems by status.

    Args:
        description: description of the answer.
        content: content of the answer.
        problems: problems that the model answers with; those of the gateway are added.
    """
    names = dict.fromkeys((*problems, *GATEWAY_PROBLEMS))
    return {
        "200": {"description": description, "content": content},
        **{str(status): _problem(status, alike) for status, alike in names_by_status(names).items()},
    }


def _problem(status: int, names: Iterable[ProblemName]) -> dict[str, Any]:
    """Return the response for a status: one of the problems that have it."""
    response: dict[str, Any] = {"description": " Or: ".join(f"{PROBLEM_KINDS[name].title}." for name in names)}
    if status in _GATEWAY_HEADERS:
        header, description, json_type = _GATEWAY_HEADERS[status]
        response["headers"] = {header: {"description": description, "schema": {"type": json_type}}}
    properties = {"type": {"enum": [type_uri(name) for name in names]}, "status": {"const": status}}
    schema = {"allOf": [ref("Problem")], "properties": properties}
    return response | {"content": {"application/problem+json": {"schema": schema}}}
