"""The addresses that say whether the service works, as OpenAPI describes them."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.bundle import NAME
from schemas.openapi_parts import json_content, problem_response, responses
from schemas.problem_kinds import GATEWAY_PROBLEMS, names_by_status

TAG = "probes"


@dataclass
class Health:
    """Answer of a probe."""

    status: Annotated[
        Literal["ok", "unavailable"], Field(description="`ok` with status 200, or `unavailable` with 503.")
    ]
    missing: Annotated[list[str], Field(description="Reasons, if the status is `unavailable`.")] = field(
        default_factory=list
    )


COMPONENTS: dict[type, JsonSchemaMode] = {Health: "validation"}

_MODEL = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "Name of the model, as in /predictions/NAME.",
    "schema": {"type": "string", "pattern": NAME},
}
_SERVERS = [
    {"url": "/", "description": "The gateway."},
    {"url": "http://127.0.0.1:8082", "description": "The metrics port, on the service's machine or in its cluster."},
]


def paths() -> dict[str, Any]:
    """Return the path items by address. None of them needs an API key."""
    return {
        "/livez": _probe("getLiveness", "Say if the service responds; one that does not needs a restart"),
        "/readyz": _probe(
            "getReadiness", "Say if the service can answer requests; a balancer sends none to one that can't"
        ),
        "/readyz/{model}": {
            "parameters": [_MODEL],
            **_probe("getModelReadiness", "Say if the service can answer requests to one model"),
        },
    }


def _probe(operation: str, summary: str) -> dict[str, Any]:
    """Return the path item of a probe."""
    health = json_content(("Health",), {})
    answers = responses("The answer is yes.", health, ())
    for status in ("401", "429"):  # probes need no key and have no rate limit
        del answers[status]
    problem = problem_response(503, names_by_status(GATEWAY_PROBLEMS)[503])
    answers["503"] = {
        **problem,
        "description": f"The answer is no. Or: {problem['description']}",
        "content": health | problem["content"],
    }
    return {
        "servers": _SERVERS,
        "get": {"operationId": operation, "tags": [TAG], "summary": summary, "security": [], "responses": answers},
    }
