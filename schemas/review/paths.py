"""The addresses of reviews and appeals, as OpenAPI describes them."""

from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.openapi_parts import PARAMETERS, json_content, ref, responses
from schemas.problem_kinds import ProblemName
from schemas.review.appeals import (
    Appeal,
    AppealAction,
    AppealList,
    AppealState,
    AppealStep,
    Decision,
    FiledAppeal,
    NewAppeal,
    ReviewedAppeal,
)
from schemas.review.cases import (
    Case,
    CaseState,
    ExportRange,
    How,
    Queue,
    ReviewAnswer,
    ReviewFilter,
    SkipReason,
    Verdict,
    Waiting,
)

TAGS = [
    {"name": "review", "description": "Photos that people review. A service without a console lacks these addresses."},
    {"name": "appeals", "description": "Appeals against answers. A service without a console lacks these addresses."},
]
COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((ReviewFilter, ReviewAnswer, NewAppeal, AppealStep), "validation"),
    **dict.fromkeys((Queue, Case, Appeal, FiledAppeal, ReviewedAppeal, AppealList), "serialization"),
}

PROBLEMS: tuple[ProblemName, ...] = (
    "malformed-request",
    "invalid-request",
    "unsupported-media-type",
    "unknown-class",
    "invalid-receipt",
    "expired-receipt",
    "conflict",
    "internal-error",
)
SHARED_TYPES: dict[str, Any] = {
    "AppealAction": Annotated[AppealAction, Field(description="Step of an appeal.")],
    "AppealState": Annotated[AppealState, Field(description="State of an appeal.")],
    "AppealDecision": Annotated[Decision, Field(description="End of an appeal.")],
    "CaseState": Annotated[CaseState, Field(description="State of a case.")],
    "ReviewedHow": Annotated[How, Field(description="Way in which a reviewer answered.")],
    "SkipReason": Annotated[SkipReason, Field(description="Reason for skipping a photo.")],
    "Verdict": Annotated[Verdict, Field(description="Answer of a reviewer.")],
    "WaitingFor": Annotated[Waiting, Field(description="Opinion that a case waits for.")],
}

_PARAMETERS = [ref("parameters", name) for name in PARAMETERS]
_BODY: tuple[ProblemName, ...] = ("malformed-request", "invalid-request", "unsupported-media-type", "unknown-class")
_ID = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
_TOKEN = {
    "name": "x-appeal-token",
    "in": "header",
    "description": "Token of the appeal, which its sender got.",
    "schema": {"type": "string"},
}
_RECEIPT = {
    "name": "x-receipt",
    "in": "header",
    "description": "Receipt of the answer, which proves that the photo is the client's. The role admin needs none.",
    "schema": {"type": "string"},
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    case, appeal = _path("case", "Id of the case."), _path("case", "Case number of the appeal.")
    return {
        "/review": {
            "parameters": _PARAMETERS,
            "get": _operation(
                "review",
                "getReviewQueue",
                "Return the review queue: counts, the next cases, and the agreement of reviewers",
                responses("The queue.", json_content(("Queue",), {}), ("invalid-request",)),
                parameters=_query(ReviewFilter),
            ),
            "post": _operation(
                "review",
                "takeReviewCase",
                "Take the next case for ten minutes; the same one again if the client holds one",
                _maybe_empty("The case.", "Case", "No case waits for this client.", _BODY),
                body="ReviewFilter",
            ),
        },
        "/review/export": {
            "parameters": _PARAMETERS,
            "get": _operation(
                "review",
                "exportReviews",
                "Return the answers of all reviewers as CSV, with the way in which each was given",
                responses("The table.", {"text/csv": {"schema": {"type": "string"}}}, ("invalid-request",)),
                parameters=_query(ExportRange),
            ),
        },
        "/review/{case}": {
            "parameters": [*_PARAMETERS, case],
            "get": _operation(
                "review",
                "getReviewCase",
                "Return a case that the client holds or has answered",
                responses("The case.", json_content(("Case",), {}), ()),
            ),
            "post": _operation(
                "review",
                "answerReviewCase",
                "Answer about a photo, or skip it",
                _maybe_empty("The case, with the prediction.", "Case", "The case is skipped.", (*_BODY, "conflict")),
                body="ReviewAnswer",
            ),
            "delete": _operation(
                "review",
                "eraseReviewCase",
                "Erase all that is stored about an answer: photo, notes, prediction, appeal and true values",
                _empty("All is erased.", ("invalid-receipt", "expired-receipt")),
                parameters=[_RECEIPT],
            ),
        },
        "/review/{case}/photo": {
            "parameters": [*_PARAMETERS, case],
            "get": _operation("review", "getReviewPhoto", "Return the photo of a case that the client holds", _photo()),
        },
        "/appeals": {
            "parameters": _PARAMETERS,
            "get": _operation(
                "appeals",
                "listAppeals",
                "Return the appeals that wait for a decision, in the order of their due dates",
                responses("The appeals.", json_content(("AppealList",), {}), ()),
            ),
            "post": _operation(
                "appeals",
                "fileAppeal",
                "Appeal against an answer that had a receipt; no key is needed",
                _filed(),
                body="NewAppeal",
            ),
        },
        "/appeals/{case}": {
            "parameters": [*_PARAMETERS, appeal, _TOKEN],
            "get": _operation(
                "appeals",
                "getAppeal",
                "Return an appeal to its sender, who has the token, or to a reviewer",
                responses("The appeal.", json_content(("Appeal", "ReviewedAppeal"), {}), ()),
            ),
            "post": _operation(
                "appeals",
                "advanceAppeal",
                "Take, give back, decide or withdraw an appeal",
                responses("The appeal.", json_content(("Appeal", "ReviewedAppeal"), {}), (*_BODY, "conflict")),
                body="AppealStep",
            ),
        },
        "/appeals/{case}/photo": {
            "parameters": [*_PARAMETERS, appeal],
            "get": _operation(
                "appeals", "getAppealPhoto", "Return the photo of an appeal that is assigned to the client", _photo()
            ),
        },
    }


def _operation(
    tag: str, name: str, summary: str, answers: dict[str, Any], *, body: str = "", parameters: Any = ()
) -> dict[str, Any]:
    """Return an operation.

    Args:
        tag: the tag.
        name: name of the operation.
        summary: summary of the operation.
        answers: the responses.
        body: component of the request's body; empty for none.
        parameters: parameters of the operation alone.
    """
    request = {"requestBody": {"required": True, "content": json_content((body,), {})}} if body else {}
    added = {"parameters": [*parameters]} if parameters else {}
    return {"operationId": name, "tags": [tag], "summary": summary, **added, **request, "responses": answers}


def _path(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "description": description, "schema": _ID}


def _query(model: type[ReviewFilter] | type[ExportRange]) -> list[dict[str, Any]]:
    """Return the query parameters that a model describes; a query has no null."""
    parameters = []
    for name, schema in model.model_json_schema()["properties"].items():
        content = {key: value for key, value in schema["anyOf"][0].items() if key != "title"}
        parameters.append({"name": name, "in": "query", "description": schema["description"], "schema": content})
    return parameters


def _empty(description: str, problems: tuple[ProblemName, ...]) -> dict[str, Any]:
    """Return the responses of an address whose answer has no content."""
    answers = responses(description, {}, problems)
    answer = {key: value for key, value in answers.pop("200").items() if key != "content"}
    return {"204": answer, **answers}


def _maybe_empty(description: str, component: str, empty: str, problems: tuple[ProblemName, ...]) -> dict[str, Any]:
    """Return the responses of an address that has an answer, or none."""
    answers = responses(description, json_content((component,), {}), problems)
    return {"200": answers.pop("200"), "204": _empty(empty, ())["204"], **answers}


def _photo() -> dict[str, Any]:
    photo = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
    return responses("The photo: upright, without EXIF.", photo, ())


def _filed() -> dict[str, Any]:
    problems: tuple[ProblemName, ...] = (*_BODY, "invalid-receipt", "expired-receipt", "conflict")
    answers = responses("The appeal, which was sent before.", json_content(("FiledAppeal",), {}), problems)
    again = answers.pop("200")
    return {"200": again, "201": again | {"description": "The new appeal."}, **answers}
