"""The contract as OpenAPI 3.1, generated from the models: ``python -m schemas.openapi`` rewrites ``openapi.json``."""

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from schemas.pets.answer import Prediction
from schemas.pets.request import PetExplanationOptions, PetJsonExplanationRequest, PetJsonRequest, PetOptions
from schemas.problem_kinds import PROBLEM_KINDS, ProblemName, names_by_status, type_uri
from schemas.problems import Problem
from schemas.sales.answer import Comparison, Comparisons, Forecast, Forecasts
from schemas.sales.explanation import Explanation, ExplanationItemList, ExplanationRange, Explanations
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.request import Item, ItemList, Range, StoreDay

FILE = Path(__file__).with_name("openapi.json")

# The problems that each address can answer with.
SALES: tuple[ProblemName, ...] = (
    "malformed-request",
    "invalid-request",
    "unknown-store",
    "outside-calendar",
    "internal-error",
)
PETS: tuple[ProblemName, ...] = (
    "malformed-request",
    "invalid-request",
    "unsupported-media-type",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "unknown-class",
    "internal-error",
)
# Those that the gateway can answer with, whatever the address.
GATEWAY: tuple[ProblemName, ...] = (
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

_HEADERS = {  # what else the gateway sends, by the status of its problem
    401: ("WWW-Authenticate", "how to send a key", "string"),
    405: ("Allow", "the methods that the address takes", "string"),
    503: ("Retry-After", "after how many seconds to try again", "integer"),
}

_SALES_EXAMPLES = {
    "one": {"summary": "one store and day", "value": {"store": 1, "date": "2015-08-01"}},
    "items": {
        "summary": "several, with what is known of a day",
        "value": {"items": [{"store": 1, "date": "2015-08-01"}, {"store": 2, "date": "2015-08-03", "promo": True}]},
    },
    "range": {"summary": "six weeks of a store", "value": {"store": 1, "start": "2015-08-01", "days": 42}},
}
_WEEK_EXAMPLE = {"summary": "a week of a store", "value": {"store": 1, "start": "2015-08-03", "days": 7}}
_WHAT_IF_EXAMPLE = {
    "summary": "what a promotion would change",
    "value": {"store": 1, "date": "2015-08-07", "what_if": {"promo": True}},
}
_COMPARISON = {
    "store": 1,
    "date": "2015-08-07",
    "sales": 5689.386,
    "assumed": ["weather"],
    "warnings": [],
    "what_if": {"sales": 8296.216, "difference": 2606.83, "ratio": 1.458192, "assumed": ["weather"], "warnings": []},
    "model": "sales",
    "version": "20150731-0123abcd",
    "cutoff": "2015-07-31",
}
_EXPLANATION = {
    "store": 1,
    "date": "2015-08-14",
    "sales": 8319.391,
    "assumed": ["weather"],
    "warnings": [],
    "baseline": {"store": 6, "date": "2015-09-03", "sales": 6679.092},
    "groups": [
        {"group": "promotion", "log": 0.2, "multiplier": 1.2214},
        {"group": "history", "log": 0.01961, "multiplier": 1.0198},
    ],
    "contributions": [
        {"input": "Promo", "group": "promotion", "value": 1, "baseline": 0, "log": 0.2, "multiplier": 1.2214},
        {"input": "Level", "group": "history", "value": 8.7586, "baseline": 8.7, "log": 0.01961, "multiplier": 1.0198},
    ],
    "unexplained": None,
    "model": "sales",
    "version": "20150731-0123abcd",
    "cutoff": "2015-07-31",
}

_PHOTO = (
    "The photo is sent as it is, in a form, or in base64 in JSON. The options go into the query, or into the form or "
    "the JSON beside the photo."
)
_PATCH = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mM8UaHBgA0wMeAAg1MCAB4nAXgllso1AAAAAElFTkSuQmCC"
_PETS_EXAMPLES = {  # the photo is the smallest that can be shown here, a patch of brown
    "contrast": {"summary": "why this breed rather than that one", "value": {"image": _PATCH, "heatmap": "contrast"}},
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
        **dict.fromkeys((Item, ItemList, Range, StoreDay, ExplanationItemList, ExplanationRange), "validation"),
        **dict.fromkeys((PetJsonRequest, PetJsonExplanationRequest), "validation"),
        **dict.fromkeys(
            (Forecast, Forecasts, Comparison, Comparisons, Explanation, Explanations, Prediction, Problem),
            "serialization",
        ),
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
            "(RFC 9457); docs/problems.md lists their types.",
        },
        "servers": [{"url": "http://127.0.0.1:8080"}],
        "paths": {
            "/predictions/sales": {"post": _forecast()},
            "/explanations/sales": {"post": _explain()},
            "/predictions/pets": {"post": _classify()},
            "/explanations/pets": {"post": _show()},
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _forecast() -> dict[str, Any]:
    return {
        "operationId": "forecast",
        "summary": "Forecast the sales of stores and days",
        "description": "One store and day, up to 1,000 items, or a range of days. Among items a bad one "
        "gets a problem in its place and the others their forecasts; if none is good, all is a problem. With a "
        "what_if anywhere each forecast comes with what it would be if every what_if of the request came true.",
        "requestBody": _sales_body(("Item", "ItemList", "Range"), _SALES_EXAMPLES | {"what_if": _WHAT_IF_EXAMPLE}),
        "responses": {
            "200": {
                "description": "The forecast, or the forecasts in the order asked",
                "content": {
                    "application/json": {
                        "schema": {"anyOf": [_ref(n) for n in ("Forecast", "Forecasts", "Comparison", "Comparisons")]},
                        "examples": {"what_if": {"summary": "with a what_if", "value": _COMPARISON}},
                    }
                },
            },
            **_problems(dict.fromkeys((*SALES, *GATEWAY))),
        },
    }


def _explain() -> dict[str, Any]:
    return {
        "operationId": "explain",
        "summary": "Forecast the sales of stores and days, and say what each input contributed",
        "description": "The requests of /predictions/sales, without what_if and for up to "
        f"{MAX_EXPLAINED} items or days. Contributions are Shapley values of the log of the forecast, against the "
        "forecast of an ordinary day: exact between groups of inputs, Owen's values, approximated, within a group.",
        "requestBody": _sales_body(
            ("StoreDay", "ExplanationItemList", "ExplanationRange"), _SALES_EXAMPLES | {"range": _WEEK_EXAMPLE}
        ),
        "responses": {
            "200": {
                "description": "The forecast explained, or the forecasts in the order asked",
                "content": {
                    "application/json": {
                        "schema": {"anyOf": [_ref("Explanation"), _ref("Explanations")]},
                        "examples": {"one": {"summary": "with some of its contributions", "value": _EXPLANATION}},
                    }
                },
            },
            **_problems(dict.fromkeys((*SALES, *GATEWAY))),
        },
    }


def _sales_body(forms: Sequence[str], examples: Mapping[str, Any]) -> dict[str, Any]:
    schema = {"anyOf": [_ref(form) for form in forms]}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def _classify() -> dict[str, Any]:
    return {
        "operationId": "classify",
        "summary": "Tell the breed of the pet in a photo, and where the network looked",
        "description": _PHOTO,
        **_pets(PetOptions, "PetJsonRequest", "The most probable breeds, and the heatmap if it was asked for"),
    }


def _show() -> dict[str, Any]:
    return {
        "operationId": "show",
        "summary": "Tell the breed of the pet in a photo, and always where the network looked",
        "description": f"The same as /predictions/pets with a heatmap. {_PHOTO}",
        **_pets(PetExplanationOptions, "PetJsonExplanationRequest", "The most probable breeds, and the heatmap"),
    }


def _pets(model: type[PetOptions], json_request: str, answer: str) -> dict[str, Any]:
    """What a request with a photo takes and gets; ``model`` are its options, ``json_request`` its form in JSON."""
    options = {name: _optional_text(schema) for name, schema in model.model_json_schema()["properties"].items()}
    photo = {
        "contentMediaType": "image/*",
        "minLength": 1,
        "description": "a photo's file: JPEG, PNG, WebP, GIF, BMP or TIFF",
    }
    return {
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
                        "properties": {"image": {"type": "string", **photo}, **options},
                        "required": ["image"],
                        "additionalProperties": False,
                    }
                },
                "application/json": {"schema": _ref(json_request), "examples": _PETS_EXAMPLES},
            },
        },
        "responses": {
            "200": {
                "description": answer,
                "content": {"application/json": {"schema": _ref("Prediction"), "example": _PREDICTION}},
            },
            **_problems(dict.fromkeys((*PETS, *GATEWAY))),
        },
    }


def _optional_text(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an option in a form or a query: null can't be written, and what nobody filled in is empty."""
    about = {key: schema[key] for key in ("description", "default", "examples") if schema.get(key) is not None}
    values = {key: value for key, value in schema.get("anyOf", [schema])[0].items() if key not in (*about, "title")}
    return {**about, "anyOf": [values, {"const": "", "description": "as if it were left out"}]}


def _problems(kinds: Iterable[ProblemName]) -> dict[str, Any]:
    """The answers with problems of these kinds, by their statuses."""
    return {
        str(status): {
            "description": " or ".join(PROBLEM_KINDS[kind].title for kind in alike),
            **({"headers": {_HEADERS[status][0]: _header(*_HEADERS[status][1:])}} if status in _HEADERS else {}),
            "content": {
                "application/problem+json": {
                    "schema": {
                        "allOf": [_ref("Problem")],
                        "properties": {
                            "type": {"enum": [type_uri(kind) for kind in alike]},
                            "status": {"const": status},
                        },
                    }
                }
            },
        }
        for status, alike in names_by_status(kinds).items()
    }


def _header(description: str, kind: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}


def as_json() -> str:
    """The document as it stands in ``openapi.json``."""
    return json.dumps(openapi(), indent=2) + "\n"


def _ref(model: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model}"}


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
