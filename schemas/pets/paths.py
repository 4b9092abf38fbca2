"""The addresses of a pets model, as OpenAPI describes them."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.openapi_parts import EXAMPLES, json_content, ref, responses
from schemas.pets.answer import Decision, Prediction, ReviewReason, Species
from schemas.pets.request import (
    Look,
    Method,
    MethodOrNone,
    Overlay,
    PetExplanationOptions,
    PetJsonExplanationRequest,
    PetJsonRequest,
    PetOptions,
    Retain,
)
from schemas.problem_kinds import ProblemName

PROBLEMS: tuple[ProblemName, ...] = (
    "malformed-request",
    "invalid-request",
    "unsupported-media-type",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "unknown-class",
    "internal-error",
    "fatal-request",
)

COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((PetJsonRequest, PetJsonExplanationRequest), "validation"),
    Prediction: "serialization",
}

SHARED_TYPES: dict[str, Any] = {
    "Decision": Annotated[Decision, Field(description="Use of a prediction: without a person, or after a review.")],
    "HeatmapMethod": Annotated[Method, Field(description="Method that computes a heatmap.")],
    "HeatmapOption": Annotated[MethodOrNone, Field(description="Method that computes a heatmap, or none.")],
    "Look": Annotated[Look, Field(description="Part of a photo that is classified.")],
    "Overlay": Annotated[Overlay, Field(description="Format of a photo with a heatmap painted on it, or none.")],
    "Retain": Annotated[Retain, Field(description="Consent to keep a photo for people who look at it.")],
    "ReviewReason": Annotated[ReviewReason, Field(description="Reason for a review by a person.")],
    "Species": Annotated[Species, Field(description="Species of a breed.")],
}

# Generators of clients can't read a content type with a wildcard, so that image/* is only in the text.
_PHOTO = (
    "The photo is the body itself, a field of a form, or base64 in JSON. A body of any type image/* is read as one of "
    "application/octet-stream. The options are query parameters, or fields of the form or the JSON beside the photo."
)


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        "/predictions/pets": {
            "post": {
                "operationId": "classifyPets",
                "summary": "Name the breed of the pet in a photo, optionally with a heatmap",
                "description": _PHOTO,
                **_request(PetOptions, "PetJsonRequest"),
                "responses": responses(
                    "The most probable breeds, and the heatmap if requested.",
                    json_content(("Prediction",), EXAMPLES["pets"]["prediction_answers"]),
                    PROBLEMS,
                ),
            }
        },
        "/explanations/pets": {
            "post": {
                "operationId": "explainPets",
                "summary": "Name the breed of the pet in a photo, always with a heatmap",
                "description": f"The same as /predictions/pets with a heatmap. {_PHOTO}",
                **_request(PetExplanationOptions, "PetJsonExplanationRequest"),
                "responses": responses(
                    "The most probable breeds, and the heatmap.",
                    json_content(("Prediction",), EXAMPLES["pets"]["explanation_answers"]),
                    PROBLEMS,
                ),
            }
        },
    }


def _request(model: type[PetOptions], json_component: str) -> dict[str, Any]:
    """Return the ``parameters`` and the ``requestBody`` of an OpenAPI operation.

    Args:
        model: pydantic model of the operation's options.
        json_component: name of the component that describes a JSON body with the photo and the options.
    """
    options = {name: _text_option(schema) for name, schema in model.model_json_schema()["properties"].items()}
    photo = {
        "type": "string",
        "format": "binary",  # OpenAPI 3.0's word for bytes, which generators of clients still need
        "contentMediaType": "image/*",
        "minLength": 1,
        "description": "The photo's file: JPEG, PNG, WebP, GIF, BMP or TIFF.",
    }
    form = {
        "type": "object",
        "properties": {"image": photo, **options},
        "required": ["image"],
        "additionalProperties": False,
    }
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": schema["description"] + _default_of(schema),
                # No default: a generated client would send it beside the options of a form, which are others.
                "schema": {key: value for key, value in schema.items() if key not in ("default", "description")},
            }
            for name, schema in options.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": photo},
                "multipart/form-data": {"schema": form},
                "application/json": {
                    "schema": ref("schemas", json_component),
                    "examples": EXAMPLES["pets"]["json_requests"],
                },
            },
        },
    }


def _default_of(schema: Mapping[str, Any]) -> str:
    """Return the default of an option in words, or an empty text."""
    return f" Default: `{schema['default']}`." if "default" in schema else ""


def _text_option(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an option in a form or a query, where null does not exist and "" means "left out"."""
    annotations = {key: schema[key] for key in ("description", "default", "examples") if schema.get(key) is not None}
    first = schema.get("anyOf", [schema])[0]
    values = {key: value for key, value in first.items() if key not in (*annotations, "title")}
    return {
        **annotations,
        "anyOf": [values, {"type": "string", "const": "", "description": "The same as leaving the option out."}],
    }
