"""The contract as OpenAPI 3.1, generated from the models: ``python -m schemas.openapi`` rewrites ``openapi.json``."""

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from schemas.pets import JsonRequest, Options, Prediction
from schemas.problems import Kind, Problem, statuses
from schemas.sales import Forecast, Forecasts, Item, Many, Range

FILE = Path(__file__).with_name("openapi.json")

# The problems that each address can answer with.
SALES: tuple[Kind, ...] = (
    "malformed-request",
    "invalid-request",
    "unknown-store",
    "outside-calendar",
    "internal-error",
)
PETS: tuple[Kind, ...] = (
    "malformed-request",
    "invalid-request",
    "unsupported-media-type",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "unknown-class",
    "internal-error",
)
# Those that the front door can answer with, whatever the address.
FRONT_DOOR: tuple[Kind, ...] = (
    "malformed-request",
    "unauthorized",
    "not-found",
    "method-not-allowed",
    "too-large",
    "overloaded",
    "request-timeout",
    "headers-too-large",
    "unavailable",
    "timeout",
)

_SALES_EXAMPLES = {
    "one": {"summary": "one store and day", "value": {"store": 1, "date": "2015-08-01"}},
    "items": {
        "summary": "several, with what is known of a day",
        "value": {"items": [{"store": 1, "date": "2015-08-01"}, {"store": 2, "date": "2015-08-03", "promo": True}]},
    },
    "range": {"summary": "six weeks of a store", "value": {"store": 1, "start": "2015-08-01", "days": 42}},
}

_PREDICTION = {
    "breed": "Maine Coon",
    "species": "cat",
    "probability": 0.91,
    "top": [
        {"breed": "Maine Coon", "species": "cat", "probability": 0.91},
        {"breed": "Ragdoll", "species": "cat", "probability": 0.04},
    ],
    "decision": "accept",
    "heatmap": {
        "method": "gradcam",
        "class": "Maine Coon",
        "versus": None,
        "grid": [[0.0, 0.4], [0.7, 1.9]],
        "min": 0.0,
        "max": 1.9,
        "all_zero": False,
        "box": {"left": 62.5, "top": 0.0, "right": 437.5, "bottom": 375.0},
        "width": 500,
        "height": 375,
        "overlay": None,
    },
    "warnings": [{"code": "small_image", "detail": "the photo is 100 x 80 pixels, and the network wants 260"}],
    "model": "pets",
    "version": "20261123-0123abcd",
}


def openapi() -> dict[str, Any]:
    """The document."""
    modes: dict[Any, JsonSchemaMode] = {
        **dict.fromkeys((Item, Many, Range, JsonRequest), "validation"),
        **dict.fromkeys((Forecast, Forecasts, Prediction, Problem), "serialization"),
    }
    _, schemas = TypeAdapter.json_schemas(
        [(kind.__name__, mode, TypeAdapter(kind)) for kind, mode in modes.items()],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shopcat",
            "version": version("shopcat"),
            "description": "Sales forecasts and breeds of pets from one TorchServe. Errors are problem details "
            "(RFC 9457).",
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": {"/predictions/sales": {"post": _sales()}, "/predictions/pets": {"post": _pets()}},
        "components": {"schemas": schemas["$defs"]},
    }


def _sales() -> dict[str, Any]:
    return {
        "operationId": "forecast",
        "summary": "Forecast the sales of stores and days",
        "description": "One store and day, up to 1,000 items, or a range of days. Among items a bad one "
        "gets a problem in its place and the others their forecasts; if none is good, all is a problem.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"anyOf": [_ref("Item"), _ref("Many"), _ref("Range")]},
                    "examples": _SALES_EXAMPLES,
                }
            },
        },
        "responses": {
            "200": {
                "description": "The forecast, or the forecasts in the order asked",
                "content": {"application/json": {"schema": {"anyOf": [_ref("Forecast"), _ref("Forecasts")]}}},
            },
            **_problems(dict.fromkeys((*SALES, *FRONT_DOOR))),
        },
    }


def _pets() -> dict[str, Any]:
    options = {name: _written(schema) for name, schema in Options.model_json_schema()["properties"].items()}
    photo = {"contentMediaType": "image/*", "description": "a photo's file: JPEG, PNG, WebP, GIF, BMP or TIFF"}
    return {
        "operationId": "classify",
        "summary": "Tell the breed of the pet in a photo, and where the network looked",
        "description": "The photo is sent as it is, in a form, or in base64 in JSON. The options go into the query, or "
        "into the form or the JSON beside the photo.",
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": schema["description"],
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }
            for name, schema in options.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "image/*": {"schema": photo},
                "application/octet-stream": {"schema": photo},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"image": photo, **options},
                        "required": ["image"],
                        "additionalProperties": False,
                    }
                },
                "application/json": {"schema": _ref("JsonRequest")},
            },
        },
        "responses": {
            "200": {
                "description": "The most probable breeds, and the heatmap if it was asked for",
                "content": {"application/json": {"schema": _ref("Prediction"), "example": _PREDICTION}},
            },
            **_problems(dict.fromkeys((*PETS, *FRONT_DOOR))),
        },
    }


def _written(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an option in a form or a query, where null can't be written: it is left out instead."""
    first = schema.get("anyOf", [{}])[0]
    return {key: value for key, value in {**schema, **first}.items() if key != "anyOf" and value is not None}


def _problems(kinds: Iterable[Kind]) -> dict[str, Any]:
    """The answers with problems of these kinds, by their statuses."""
    return {
        str(status): {
            "description": " or ".join(titles),
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for status, titles in statuses(kinds).items()
    }


def as_json() -> str:
    """The document as it stands in ``openapi.json``."""
    return json.dumps(openapi(), indent=2) + "\n"


def _ref(model: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model}"}


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
