"""Errors as the client sees them: RFC 9457 problem details.

ProblemError: raised where a request can't be answered; carries the Problem that the client gets.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Kind = Literal[
    "malformed-request",
    "invalid-request",
    "unknown-store",
    "outside-calendar",
    "unsupported-media-type",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "unknown-class",
    "internal-error",
    "unauthorized",
    "not-found",
    "method-not-allowed",
    "too-large",
    "overloaded",
    "request-timeout",
    "headers-too-large",
    "unavailable",
    "timeout",
]

_TITLES: Mapping[Kind, tuple[int, str]] = {
    "malformed-request": (400, "The request is not what this address takes"),
    "invalid-request": (422, "A field of the request has a value that is not allowed"),
    # sales
    "unknown-store": (404, "The store is not known to the model"),
    "outside-calendar": (422, "The date is outside the days that the model can forecast"),
    # pets
    "unsupported-media-type": (415, "The content type is not one that this address takes"),
    "not-an-image": (422, "The image is in no format that is known"),
    "damaged-image": (422, "The image is damaged or incomplete"),
    "image-too-large": (413, "The image is too large to be decoded"),
    "unknown-class": (422, "The class is not one of the model's"),
    "internal-error": (500, "The model failed; the request was not at fault"),
    # the front door, before a model has seen the request
    "unauthorized": (401, "The request has no key that is valid here"),
    "not-found": (404, "There is nothing at this address"),
    "method-not-allowed": (405, "The address does not take this method"),
    "too-large": (413, "The request is larger than the service takes"),
    "overloaded": (503, "The service has more to do than it can; try again later"),
    "request-timeout": (408, "The request did not come in time"),
    "headers-too-large": (431, "The headers or the address of the request are too large"),
    "unavailable": (503, "The model can't be reached; try again later"),
    "timeout": (504, "The model did not answer in time"),
}

_WORDS = {  # pydantic's error types that can be said better to someone who does not know pydantic
    "missing": "required, and not there",
    "extra_forbidden": "not a field of this request; check its spelling",
    "int_type": "must be a whole number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "model_type": "must be a JSON object",
    "date_from_datetime_parsing": "must be a date of the calendar, like 2015-08-01",
    "date_parsing": "must be a date of the calendar, like 2015-08-01",
}
_SHOWN = 60  # characters of a wrong value that an error repeats
MAX_ERRORS = 10  # that a problem lists: an answer must not grow with what is wrong with the request


class FieldError(BaseModel):
    """One field's trouble."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="JSON pointer to the field in the request", examples=["/items/3/date"])
    value: str | None = Field(default=None, description="the value as it was sent, cut short if it is long")
    detail: str = Field(description="what is wrong with it and what is allowed")


class Problem(BaseModel):
    """Problem details (RFC 9457), sent as ``application/problem+json``."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="which kind of problem, as a URN", examples=["urn:shopcat:problem:unknown-store"])
    title: str = Field(description="the kind in words, the same for every problem of the kind")
    status: int = Field(description="the HTTP status", ge=400, le=599)
    detail: str = Field(description="what went wrong this time and what to do")
    errors: list[FieldError] = Field(default_factory=list, description="the fields concerned, if any")

    @classmethod
    def of(cls, kind: Kind, detail: str, errors: Sequence[FieldError] = ()) -> "Problem":
        """A problem of a known kind."""
        status, title = _TITLES[kind]
        return cls(type=f"urn:shopcat:problem:{kind}", title=title, status=status, detail=detail, errors=list(errors))

    def to_json(self) -> bytes:
        """The body that the client gets."""
        return self.model_dump_json(exclude_defaults=True).encode()


class ProblemError(ValueError):
    """A request that can't be answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def statuses(kinds: Iterable[Kind]) -> Mapping[int, Sequence[str]]:
    """The HTTP statuses of kinds of problems, in order, each with the titles that it comes with."""
    found: dict[int, list[str]] = {}
    for status, title in sorted((_TITLES[kind] for kind in kinds), key=lambda each: each[0]):
        found.setdefault(status, []).append(title)
    return found


def shown(value: Any) -> str:
    """A value as an error repeats it: as JSON has it, short, and in plain characters."""
    text = ascii(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def pointer(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901).

    >>> pointer("items", 3, "a/b")
    '/items/3/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def invalid(error: ValidationError, *, at: Sequence[str | int] = (), after: Sequence[int] = ()) -> Problem:
    """The problem behind pydantic's validation error.

    Args:
        error: what pydantic found.
        at: where the validated part stands in the request.
        after: the place in a list, if the part's one field was taken from a list.
    """
    errors = []
    found = error.errors(include_url=False, include_context=False)
    for each in found[:MAX_ERRORS]:
        missing = each["type"] == "missing"
        errors.append(
            FieldError(
                path=pointer(*at, *each["loc"][:1], *after, *each["loc"][1:]),
                value=None if missing else shown(each["input"]),
                detail=_WORDS.get(each["type"], each["msg"].removeprefix("Value error, ")),
            )
        )
    first = errors[0]
    value = "" if first.value is None else f" (sent: {first.value})"
    more = f"; and {len(found) - 1:,} more" if len(found) > 1 else ""
    return Problem.of("invalid-request", f"{first.path or 'the request'}: {first.detail}{value}{more}", errors)
