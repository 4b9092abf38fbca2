"""The addresses of feedback, as OpenAPI describes them."""

from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.bundle import NAME
from schemas.feedback.answer import (
    Outcome,
    PetsEstimate,
    PetsFeedbackResults,
    PetsReport,
    SalesFeedbackResults,
    SalesReport,
    Source,
)
from schemas.feedback.request import PetOutcome, PetsFeedback, SalesFeedback, Why
from schemas.openapi_parts import PARAMETERS, json_content, ref, responses
from schemas.problem_kinds import ProblemName

TAG = "feedback"
TAGS = [{"name": TAG, "description": "True values that come back, and the figures that follow from them."}]
COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((SalesFeedback, PetsFeedback), "validation"),
    **dict.fromkeys((SalesFeedbackResults, PetsFeedbackResults, SalesReport, PetsReport), "serialization"),
}
SHARED_TYPES: dict[str, Any] = {
    "AccuracyEstimate": Annotated[PetsEstimate, Field(description="Group of answers whose accuracy is estimated.")],
    "FeedbackOutcome": Annotated[Outcome, Field(description="Use of a true value that was taken.")],
    "FeedbackSource": Annotated[Source, Field(description="Source of a forecast that a true value is compared with.")],
    "TruthSource": Annotated[Why, Field(description="Source of the truth about a photo.")],
    "TruthKind": Annotated[PetOutcome, Field(description="Kind of truth about a photo.")],
}

PROBLEMS: tuple[ProblemName, ...] = ("invalid-receipt", "expired-receipt")

_SENT: tuple[ProblemName, ...] = (
    "malformed-request",
    "invalid-request",
    *PROBLEMS,
    "forbidden",
    "internal-error",
)
_READ: tuple[ProblemName, ...] = ("invalid-request", "forbidden", "internal-error")
_PARAMETERS = [ref("parameters", name) for name in PARAMETERS]
_DAYS = {
    "name": "days",
    "in": "query",
    "description": "Number of days back from now whose true values count. Default: 28.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 3650},
}
_TABLE = {"text/csv": {"schema": {"type": "string"}}}
# "binary" is OpenAPI 3.0's word for bytes, which generators of clients still need.
_SENT_TABLE = {"text/csv": {"schema": {"type": "string", "format": "binary", "minLength": 1}}}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    gone = responses("The values are deleted.", {}, ("forbidden",))
    gone["204"] = {key: value for key, value in gone.pop("200").items() if key != "content"}
    return {
        "/feedback/sales": _model(
            "Sales",
            "Send true sales back, by the receipt of an answer or by store and date",
            "Each value counts once; a later one replaces it. An invalid value gets a problem in its place, and the "
            "others are taken. If none can be taken, the whole answer is a problem. A day without a receipt is "
            "compared with a forecast that the current model makes again, and counted apart. A table as text/csv has "
            "the fields as columns.",
            (*_SENT, "unknown-store", "outside-calendar", "beyond-horizon"),
        ),
        "/feedback/pets": _model(
            "Pets",
            "Send the truth about photos back, by the receipt of an answer",
            "Each truth counts once; a later one replaces it, but an owner's word does not replace a reviewer's. An "
            "invalid truth gets a problem in its place, and the others are taken. If none can be taken, the whole "
            "answer is a problem. A table as text/csv has the fields as columns.",
            (*_SENT, "unknown-class"),
        ),
        "/feedback/export": {
            "parameters": _PARAMETERS,
            "get": {
                "operationId": "exportFeedback",
                "tags": [TAG],
                "summary": "Return the true values of a model with the answers that they belong to",
                "description": "This needs the role review.",
                "parameters": [
                    {
                        "name": "model",
                        "in": "query",
                        "required": True,
                        "description": "Name of the model.",
                        "schema": {"type": "string", "pattern": NAME},
                    },
                    *(
                        {
                            "name": name,
                            "in": "query",
                            "description": f"{word} day (UTC) on which the values were received.",
                            "schema": {"type": "string", "format": "date"},
                        }
                        for name, word in (("from", "First"), ("to", "Last"))
                    ),
                ],
                "responses": responses("A table with a line of names.", _TABLE, _READ),
            },
        },
        "/feedback/{id}": {
            "parameters": [
                {
                    "name": "id",
                    "in": "path",
                    "required": True,
                    "description": "Id of a true value, as the answer to the feedback had it; or that of its receipt.",
                    "schema": {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_.-]+$"},
                },
                *_PARAMETERS,
            ],
            "delete": {
                "operationId": "deleteFeedback",
                "tags": [TAG],
                "summary": "Delete a true value with its answer, its note and its earlier values",
                "description": "A client deletes what it alone sent; the role admin deletes what anybody sent. "
                "A photo that is kept for people stays; `DELETE /review/{case}` erases it with its true values.",
                "responses": gone,
            },
        },
    }


def _model(kind: str, summary: str, description: str, problems: tuple[ProblemName, ...]) -> dict[str, Any]:
    """Return the path item of a kind of model."""
    return {
        "parameters": _PARAMETERS,
        "post": {
            "operationId": f"feedback{kind}",
            "tags": [TAG],
            "summary": summary,
            "description": description,
            "requestBody": {"required": True, "content": json_content((f"{kind}Feedback",), {}) | _SENT_TABLE},
            "responses": responses(
                "The result of each value.", json_content((f"{kind}FeedbackResults",), {}), problems
            ),
        },
        "get": {
            "operationId": f"report{kind}",
            "tags": [TAG],
            "summary": "Return the error or accuracy of a model's answers, from the true values that came back",
            "parameters": [_DAYS],
            "responses": responses("The figures, with bounds.", json_content((f"{kind}Report",), {}), _READ),
        },
    }
