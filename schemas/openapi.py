"""The API contract as an OpenAPI 3.1 document. ``python -m schemas.openapi`` rewrites ``openapi.json``.

People generate clients from it, in several languages. So every enumeration has values of one type. A type or a response
that several places share is a component with a name. The names of operations are good names of functions.
"""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from schemas import console, probes
from schemas.console import SECTIONS as CONSOLE_SECTIONS
from schemas.kinds import MODEL_KINDS
from schemas.openapi_parts import GATEWAY_RESPONSES, HEADERS, PARAMETERS, SECURITY_SCHEMES, ref
from schemas.problems import Problem

FILE = Path(__file__).with_name("openapi.json")

_SECTIONS = ("predictions", "explanations", "feedback")  # first segments of the models' addresses
_DATA = ("const", "default", "enum", "examples")  # keys of a schema whose values are data and not schemas
_NOTES = ("default", "description", "examples")  # keys of a schema that are no part of the type


def openapi() -> dict[str, Any]:
    """Return the document, made from the registered kinds of models."""
    components: dict[type, JsonSchemaMode] = {}
    shared_types: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for kind in MODEL_KINDS.values():
        components |= kind.components
        shared_types |= kind.shared_types
        for path, item in kind.paths().items():
            post = {"tags": [kind.name], **item["post"]}
            paths[path] = {"parameters": [ref("parameters", name) for name in PARAMETERS], "post": post}
    components[Problem] = "serialization"
    components |= probes.COMPONENTS | console.COMPONENTS
    shared_types |= console.SHARED_TYPES
    _, schemas = TypeAdapter.json_schemas(
        [(component.__name__, mode, TypeAdapter(component)) for component, mode in components.items()],
        ref_template="#/components/schemas/{model}",
    )
    shared = {name: TypeAdapter(values).json_schema() for name, values in shared_types.items()}
    names = {_key(schema): name for name, schema in shared.items()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shopcat",
            "version": version("shopcat"),
            "description": "Sales forecasts and pet breeds from one service. Errors are problem details (RFC 9457); "
            "docs/reference/problems.md describes every kind.",
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "The service that this document comes from."}],
        "security": [{}, *({name: []} for name in SECURITY_SCHEMES)],  # any of them: services may have no keys
        "tags": [
            *({"name": kind, "description": f"Models of the kind {kind}."} for kind in MODEL_KINDS),
            *console.TAGS,
            {"name": probes.TAG, "description": "State of the service, for load balancers and supervisors."},
        ],
        "paths": _simplified(paths | console.paths(), names) | probes.paths(),
        "components": {
            "schemas": dict(sorted((shared | _simplified(schemas["$defs"], names)).items())),
            "responses": GATEWAY_RESPONSES,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _simplified(content: Any, names: Mapping[str, str]) -> Any:
    """Return a part of the document without pydantic's titles, and with references to the shared types.

    Args:
        content: the part.
        names: name of each shared type in the document's components, by its key.
    """
    if isinstance(content, list):
        return [_simplified(value, names) for value in content]
    if not isinstance(content, dict):
        return content
    if name := names.get(_key(content)):
        return ref("schemas", name) | {key: value for key, value in content.items() if key in _NOTES}
    return {
        key: value if key in _DATA else _simplified(value, names)
        for key, value in content.items()
        if key != "title" or not isinstance(value, str)
    }


def _key(schema: Mapping[str, Any]) -> str:
    """Return a text that is equal for schemas of the same type."""
    return json.dumps({key: value for key, value in schema.items() if key not in (*_NOTES, "title")}, sort_keys=True)


def as_json() -> str:
    """Return the content of ``openapi.json``."""
    return json.dumps(openapi(), indent=2) + "\n"


def served(models: Mapping[str, str], *, with_console: bool = False) -> str:
    """Return the contract of a service in one line: with the addresses of its models, under their own names.

    Args:
        models: kind of each model by name.
        with_console: True if the service has the console's addresses.
    """
    document = json.loads(FILE.read_text(encoding="utf-8"))
    paths: dict[str, Any] = {}
    for path, item in document["paths"].items():
        section, _, last = path[1:].partition("/")
        if section in CONSOLE_SECTIONS and not with_console:
            continue
        if section not in _SECTIONS or last not in MODEL_KINDS:
            paths[path] = item
            continue
        for name, kind in models.items():
            if kind == last:
                paths[f"/{section}/{name}"] = _renamed(item, kind, name)
    return json.dumps(document | {"paths": paths}, separators=(",", ":"))


def _renamed(item: Any, kind: str, name: str) -> Any:
    """Return the path item of a kind of model for a model with a name."""
    text = json.dumps(item)
    for section in _SECTIONS:
        text = text.replace(f"/{section}/{kind}", f"/{section}/{name}")
    renamed = json.loads(text)
    for method in ("get", "post"):
        if operation := renamed.get(method):
            stem = operation["operationId"].removesuffix(_camel_case(kind))
            operation["operationId"] = stem + _camel_case(name)
    return renamed


def _camel_case(name: str) -> str:
    """Return the name of a model as a part of an operation's name.

    >>> _camel_case("sales-of_europe")
    'SalesOfEurope'
    """
    return "".join(word.title() for word in re.split("[-_]", name))


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
