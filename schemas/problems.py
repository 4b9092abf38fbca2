"""Errors as the client sees them: RFC 9457 problem details, and how to make them of validation errors.

Code that cannot answer a request raises a `ProblemError`, which carries the `Problem` that the client gets.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.problem_kinds import PROBLEM_KINDS, ProblemName, documentation, type_uri

_MESSAGES = {  # by pydantic's error type: a message for a reader who does not know pydantic
    "missing": "required, but missing",
    "extra_forbidden": "unknown field; the valid fields are {names}",
    "int_type": "must be a whole number, without quotes or decimal point",
    "bool_type": "must be true or false",
    "float_type": "must be a number, without quotes",
    "string_type": "must be a string, in quotes",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a list, in square brackets",
    "date_from_datetime_parsing": "must be a date of the calendar, like 2015-08-01",
    "date_parsing": "must be a date of the calendar, like 2015-08-01",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must have {min_length} characters or more",
    "too_short": "must have {min_length} or more in the list",
    "too_long": "must have {max_length} or less in the list",
    "string_too_long": "must have {max_length} characters or less",
}
_MAX_VALUE_LENGTH = 60  # characters of a wrong value that an error repeats
MAX_ERRORS = 10  # that a problem lists, so that a response stays small however wrong the request is


class FieldError(BaseModel):
    """An error in one field of the request."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="JSON pointer to the field in the request.", examples=["/items/3/date"])
    value: str | None = Field(default=None, description="The value as it was sent; shortened if it is long.")
    detail: str = Field(description="The error, and the allowed values.")


class Problem(BaseModel):
    """Problem details (RFC 9457), sent as ``application/problem+json``."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(
        description="URI of the kind of problem. It is stable; the other texts may change.",
        # No enum: a client that was generated from it could not read a problem of a kind that came later.
        json_schema_extra={"x-extensible-enum": [type_uri(name) for name in PROBLEM_KINDS]},
    )
    title: str = Field(description="The kind of problem in words, the same for every problem of the kind.")
    status: int = Field(description="The HTTP status.", ge=400, le=599)
    detail: str = Field(description="The cause of this problem, and the remedy.")
    documentation: str = Field(
        description="Path and heading of the kind's likely cause and remedy, in the project's documentation.",
        examples=[documentation("unknown-store")],
    )
    request_id: str | None = Field(
        default=None, description="For an internal error: the request's id, as in the header x-request-id."
    )
    error_id: str | None = Field(
        default=None, description="For an internal error: the id under which the server's log has the cause."
    )
    errors: list[FieldError] = Field(default_factory=list, description="The first ten fields with errors, if any.")

    @classmethod
    def of(cls, name: ProblemName, detail: str, errors: Sequence[FieldError] = ()) -> "Problem":
        """Make a problem of a known kind."""
        kind = PROBLEM_KINDS[name]
        return cls(
            type=type_uri(name),
            title=kind.title,
            status=kind.status,
            detail=detail,
            documentation=documentation(name),
            errors=list(errors),
        )

    def to_json(self) -> bytes:
        """Return the response's body."""
        return self.model_dump_json(exclude_defaults=True).encode()


class ProblemError(ValueError):
    """A request that cannot be answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def abbreviate(value: Any) -> str:
    """Return a value as an error repeats it: as JSON, in ASCII, and at most 60 characters long."""
    text = ascii(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _MAX_VALUE_LENGTH else text[: _MAX_VALUE_LENGTH - 3] + "..."


def json_pointer(*parts: str | int) -> str:
    """Return a JSON pointer (RFC 6901).

    >>> json_pointer("items", 3, "a/b")
    '/items/3/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def validation_problem(
    error: ValidationError,
    *,
    names: Mapping[str, Iterable[str]] = {},
    at: Sequence[str | int] = (),
    after: Sequence[int] = (),
) -> Problem:
    """Return the problem for pydantic's validation error.

    Args:
        error: the error that pydantic raised.
        names: valid field names by parent field ("" for the top level), listed in the message when a field is unknown.
        at: path of the validated part within the request.
        after: index in a list, if the part's only field was taken from a list.
    """
    found = error.errors(include_url=False)
    errors = []
    for item in found[:MAX_ERRORS]:
        error_type, location, context = item["type"], item["loc"], item.get("ctx", {})
        if error_type == "extra_forbidden":
            context = {"names": ", ".join(names[str(location[-2]) if len(location) > 1 else ""])}
        message = _MESSAGES.get(error_type)
        errors.append(
            FieldError(
                path=json_pointer(*at, *location[:1], *after, *location[1:]),
                value=None if error_type == "missing" else abbreviate(item["input"]),
                detail=message.format(**context) if message else item["msg"].removeprefix("Value error, "),
            )
        )
    return _invalid_request(errors, n_others=len(found) - 1)


def invalid_field(*path: str | int, value: Any = None, detail: str) -> ProblemError:
    """Return the error for one invalid field.

    Args:
        path: path of the field within the request.
        value: the value sent, if the error is to repeat it.
        detail: the error, and the allowed values.
    """
    text = None if value is None else abbreviate(value)
    return invalid_fields(FieldError(path=json_pointer(*path), value=text, detail=detail))


def invalid_fields(*errors: FieldError) -> ProblemError:
    """Return the error for several invalid fields; its message is that of the first."""
    return ProblemError(_invalid_request(errors))


def _invalid_request(errors: Sequence[FieldError], n_others: int = 0) -> Problem:
    """Return an invalid-request problem. ``detail`` describes the first error and counts the others."""
    first = errors[0]
    value = "" if first.value is None else f" (sent: {first.value})"
    others = f"; and {n_others:,} more" if n_others else ""
    return Problem.of("invalid-request", f"{first.path or 'the request'}: {first.detail}{value}{others}", errors)
