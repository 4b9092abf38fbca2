"""Parts that requests, answers and addresses of ``/labels`` share."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from schemas.openapi_parts import PARAMETERS, json_content, ref, responses
from schemas.problem_kinds import ProblemName

TAG = "labels"
MAX_NAME = 100  # characters
MAX_PHOTOS = 50_000  # in a request
MAX_NUMBER = 2**53 - 1  # that every client can read

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME)]
Colour = Annotated[str, StringConstraints(pattern="^#[0-9A-Fa-f]{6}$")]

# Problems of every address, besides those of the gateway.
COMMON: tuple[ProblemName, ...] = ("conflict", "unusable-project", "internal-error")
BODY: tuple[ProblemName, ...] = ("malformed-request", "invalid-request", "unsupported-media-type", "storage-full")
PROBLEMS: tuple[ProblemName, ...] = (
    *COMMON,
    *BODY,
    "precondition-failed",
    "fatal-request",
    "not-ready",
    "not-supported",
)

_COMMON_PARAMETERS = [ref("parameters", name) for name in PARAMETERS]
_PATTERNS = {
    "project": ("^[a-z0-9][a-z0-9-]*$", "Id of the project."),
    "sha256": ("^[0-9a-f]{64}$", "SHA-256 of the photo's file, hexadecimal."),
    "space": ("^[a-z]+-[a-z]+$", "Name of a space, such as final-what."),
}


class LabelRequest(BaseModel):
    """A request of labelling."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LabelAnswer(BaseModel):
    """An answer of labelling."""

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    def to_json(self) -> bytes:
        """Return the response's body."""
        return self.model_dump_json().encode()


def item(path: str, *parameters: dict[str, Any], **operations: dict[str, Any]) -> dict[str, Any]:
    """Return a path item by its path.

    Args:
        path: the path; its project, photo and space are described.
        parameters: further parameters that all operations share.
        operations: operations by method.
    """
    known = [path_parameter(name) for name in _PATTERNS if f"{{{name}}}" in path]
    return {path: {"parameters": [*_COMMON_PARAMETERS, *known, *parameters], **operations}}


def path_parameter(name: str, schema: dict[str, Any] | None = None, description: str = "") -> dict[str, Any]:
    """Return a parameter of a path: a known one by its name alone, or another one."""
    if schema is None:
        pattern, description = _PATTERNS[name]
        schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def query(name: str, schema: dict[str, Any], description: str, *, required: bool = False) -> dict[str, Any]:
    """Return a parameter of a query."""
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def operation(
    name: str, summary: str, answers: dict[str, Any], *, body: str = "", parameters: tuple[dict[str, Any], ...] = ()
) -> dict[str, Any]:
    """Return an operation.

    Args:
        name: name of the operation, such as ``createLabel``.
        summary: summary of the operation.
        answers: the responses, from `answer`, `created`, `empty` or `file`.
        body: name of the component of the request's JSON body; empty for none.
        parameters: parameters of this operation alone.
    """
    request = {"requestBody": {"required": True, "content": json_content((body,), {})}} if body else {}
    added = {"parameters": [*parameters]} if parameters else {}
    return {"operationId": name, "tags": [TAG], "summary": summary, **added, **request, "responses": answers}


def answer(description: str, component: str, *problems: ProblemName) -> dict[str, Any]:
    """Return the responses of an address whose answer is JSON."""
    return responses(description, json_content((component,), {}), (*COMMON, *problems))


def created(description: str, component: str, *problems: ProblemName) -> dict[str, Any]:
    """Return the responses of an address that makes something."""
    answers = answer(description, component, *problems)
    return {"201": answers.pop("200"), **answers}


def empty(description: str, *problems: ProblemName) -> dict[str, Any]:
    """Return the responses of an address whose answer has no content."""
    answers = responses(description, {}, (*COMMON, *problems))
    found = {key: value for key, value in answers.pop("200").items() if key != "content"}
    return {"204": found, **answers}


def events(description: str, *problems: ProblemName) -> dict[str, Any]:
    """Return the responses of an address that sends events. Their schema is none of OpenAPI 3.1."""
    return responses(description, {"text/event-stream": {}}, (*COMMON, *problems))


def file(description: str, media_type: str, *problems: ProblemName) -> dict[str, Any]:
    """Return the responses of an address whose answer is a file."""
    schema: dict[str, Any] = {"type": "string", "format": "binary"}
    if media_type.startswith("text/") or media_type.endswith("xml"):
        schema = {"type": "string"}
    elif media_type == "application/json":
        schema = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    return responses(description, {media_type: {"schema": schema}}, (*COMMON, *problems))
