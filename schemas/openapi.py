"""The API contract as an OpenAPI 3.1 document. ``python -m schemas.openapi`` rewrites ``openapi.json``."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from schemas.kinds import MODEL_KINDS
from schemas.problems import Problem

FILE = Path(__file__).with_name("openapi.json")


def openapi() -> dict[str, Any]:
    """Return the document, made from the registered kinds of models."""
    components: dict[type, JsonSchemaMode] = {}
    paths: dict[str, Any] = {}
    for kind in MODEL_KINDS.values():
        components |= kind.components
        paths |= kind.paths()
    components[Problem] = "serialization"
    _, schemas = TypeAdapter.json_schemas(
        [(component.__name__, mode, TypeAdapter(component)) for component, mode in components.items()],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shopcat",
            "version": version("shopcat"),
            "description": "Sales forecasts and pet breeds from one service. Errors are problem details (RFC 9457); "
            "docs/reference/problems.md describes every kind.",
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def as_json() -> str:
    """Return the content of ``openapi.json``."""
    return json.dumps(openapi(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
