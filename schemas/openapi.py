"""The contract as OpenAPI 3.1, generated from the models: ``python -m schemas.openapi`` rewrites ``openapi.json``."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from schemas.problems import STATUSES, Problem
from schemas.sales import Forecast, Forecasts, Item, Many, Range

FILE = Path(__file__).with_name("openapi.json")

_EXAMPLES = {
    "one": {"summary": "one store and day", "value": {"store": 1, "date": "2015-08-01"}},
    "items": {
        "summary": "several, with what is known of a day",
        "value": {"items": [{"store": 1, "date": "2015-08-01"}, {"store": 2, "date": "2015-08-03", "promo": True}]},
    },
    "range": {"summary": "six weeks of a store", "value": {"store": 1, "start": "2015-08-01", "days": 42}},
}


def openapi() -> dict[str, Any]:
    """The document."""
    modes: dict[Any, JsonSchemaMode] = {
        **dict.fromkeys((Item, Many, Range), "validation"),
        **dict.fromkeys((Forecast, Forecasts, Problem), "serialization"),
    }
    _, schemas = TypeAdapter.json_schemas(
        [(kind.__name__, mode, TypeAdapter(kind)) for kind, mode in modes.items()],
        ref_template="#/components/schemas/{model}",
    )
    problems = {
        str(status): {
            "description": " or ".join(titles),
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        for status, titles in sorted(STATUSES.items())
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shopcat",
            "version": version("shopcat"),
            "description": "Sales forecasts from one TorchServe. Errors are problem details (RFC 9457).",
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": {
            "/predictions/sales": {
                "post": {
                    "operationId": "forecast",
                    "summary": "Forecast the sales of stores and days",
                    "description": "One store and day, up to 1,000 items, or a range of days. Among items a bad one "
                    "gets a problem in its place and the others their forecasts; if none is good, all is a problem.",
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {"anyOf": [_ref("Item"), _ref("Many"), _ref("Range")]},
                                "examples": _EXAMPLES,
                            }
                        },
                    },
                    "responses": {
                        "200": {
                            "description": "The forecast, or the forecasts in the order asked",
                            "content": {
                                "application/json": {"schema": {"anyOf": [_ref("Forecast"), _ref("Forecasts")]}}
                            },
                        },
                        **problems,
                    },
                }
            }
        },
        "components": {"schemas": schemas["$defs"]},
    }


def as_json() -> str:
    """The document as it stands in ``openapi.json``."""
    return json.dumps(openapi(), indent=2) + "\n"


def _ref(model: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model}"}


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
