"""Errors as the client sees them: RFC 9457 problem details.

ProblemError: raised where a request can't be answered; carries the Problem that the client gets.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

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


class About(NamedTuple):
    """What is said of a kind of problem.

    Attributes:
        status: the HTTP status.
        title: the kind in words.
        remedy: what a client can do.
    """

    status: int
    title: str
    remedy: str


KINDS: Mapping[Kind, About] = {
    "malformed-request": About(
        400, "The request is not what this address takes", "Send what the contract has for the address."
    ),
    "invalid-request": About(
        422,
        "A field of the request has a value that is not allowed",
        "`errors` names each field, what was sent and what is allowed.",
    ),
    # sales
    "unknown-store": About(
        404, "The store is not known to the model", "Ask for a store of the tables, or train with the new one."
    ),
    "outside-calendar": About(
        422,
        "The date is outside the days that the model can forecast",
        "`detail` has the first and the last day that it can.",
    ),
    # pets
    "unsupported-media-type": About(
        415, "The content type is not one that this address takes", "`detail` says how to send a photo."
    ),
    "not-an-image": About(422, "The image is in no format that is known", "Send JPEG, PNG, WebP, GIF, BMP or TIFF."),
    "damaged-image": About(422, "The image is damaged or incomplete", "Send the whole file, or save the photo anew."),
    "image-too-large": About(413, "The image is too large to be decoded", "Make the photo smaller before sending it."),
    "unknown-class": About(404, "The class is not one of the model's", "`detail` has names that are like it."),
    "internal-error": About(
        500,
        "The model failed; the request was not at fault",
        "Tell the operator the id in `detail`, under which the log has the cause.",
    ),
    # the front door, before a model has seen the request
    "unauthorized": About(401, "The request has no key that is valid here", "Send a key that the operator gave you."),
    "not-found": About(404, "There is nothing at this address", "Compare the address with the contract's."),
    "method-not-allowed": About(405, "The address does not take this method", "Send a POST."),
    "too-large": About(413, "The request is larger than the service takes", "Send less at a time, or a smaller photo."),
    "overloaded": About(
        503,
        "The service has more to do than it can; try again later",
        "Wait as long as the header Retry-After says, and send the request again.",
    ),
    "request-timeout": About(408, "The request did not come in time", "Send it faster, or less at a time."),
    "headers-too-large": About(
        431, "The headers or the address of the request are too large", "Leave out cookies and what nobody reads."
    ),
    "unavailable": About(
        503,
        "The model can't be reached; try again later",
        "Wait as long as the header Retry-After says, and send the request again.",
    ),
    "timeout": About(504, "The model did not answer in time", "Ask for less at a time."),
}

_WORDS = {  # pydantic's error types that can be said better to someone who does not know pydantic
    "missing": "required, and not there",
    "extra_forbidden": "not a field here; there are {names}",
    "int_type": "must be a whole number, without quotes or decimal point",
    "bool_type": "must be true or false",
    "float_type": "must be a number, without quotes",
    "string_type": "must be a string, in quotes",
    "model_type": "must be a JSON object",
    "date_from_datetime_parsing": "must be a date of the calendar, like 2015-08-01",
    "date_parsing": "must be a date of the calendar, like 2015-08-01",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "string_too_short": "must have {min_length} characters or more",
    "string_too_long": "must have {max_length} characters or less",
}
_SHOWN = 60  # characters of a wrong value that an error repeats
MAX_ERRORS = 10  # that a problem lists: an answer must not grow with what is wrong with the request


def urn(kind: Kind) -> str:
    """A kind of problem as its ``type`` names it."""
    return f"urn:shopcat:problem:{kind}"


class FieldError(BaseModel):
    """One field's trouble."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="JSON pointer to the field in the request", examples=["/items/3/date"])
    value: str | None = Field(default=None, description="the value as it was sent, cut short if it is long")
    detail: str = Field(description="what is wrong with it and what is allowed")


class Problem(BaseModel):
    """Problem details (RFC 9457), sent as ``application/problem+json``."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="which kind of problem", json_schema_extra={"enum": [urn(kind) for kind in KINDS]})
    title: str = Field(description="the kind in words, the same for every problem of the kind")
    status: int = Field(description="the HTTP status", ge=400, le=599)
    detail: str = Field(description="what went wrong this time and what to do")
    errors: list[FieldError] = Field(default_factory=list, description="the fields concerned, if any")

    @classmethod
    def of(cls, kind: Kind, detail: str, errors: Sequence[FieldError] = ()) -> "Problem":
        """A problem of a known kind."""
        about = KINDS[kind]
        return cls(type=urn(kind), title=about.title, status=about.status, detail=detail, errors=list(errors))

    def to_json(self) -> bytes:
        """The body that the client gets."""
        return self.model_dump_json(exclude_defaults=True).encode()


class ProblemError(ValueError):
    """A request that can't be answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def by_status(kinds: Iterable[Kind]) -> Mapping[int, Sequence[Kind]]:
    """Kinds of problems by their HTTP statuses, in order."""
    found: dict[int, list[Kind]] = {}
    for kind in sorted(kinds, key=lambda each: KINDS[each].status):
        found.setdefault(KINDS[kind].status, []).append(kind)
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


def invalid(
    error: ValidationError,
    *,
    names: Mapping[str, Iterable[str]] = {},
    at: Sequence[str | int] = (),
    after: Sequence[int] = (),
) -> Problem:
    """The problem behind pydantic's validation error.

    Args:
        error: what pydantic found.
        names: where a field can be one that is none: those that there are, by the field that they are in, or "".
        at: where the validated part stands in the request.
        after: the place in a list, if the part's one field was taken from a list.
    """
    errors = []
    found = error.errors(include_url=False)
    for each in found[:MAX_ERRORS]:
        kind, loc, context = each["type"], each["loc"], each.get("ctx", {})
        if kind == "extra_forbidden":
            context = {"names": ", ".join(names[str(loc[-2]) if len(loc) > 1 else ""])}
        words = _WORDS.get(kind)
        errors.append(
            FieldError(
                path=pointer(*at, *loc[:1], *after, *loc[1:]),
                value=None if kind == "missing" else shown(each["input"]),
                detail=words.format(**context) if words else each["msg"].removeprefix("Value error, "),
            )
        )
    return _of_errors(errors, more=len(found) - 1)


def wrong_field(*path: str | int, value: Any = None, detail: str) -> ProblemError:
    """An invalid request for one field's sake.

    Args:
        path: to the field in the request.
        value: what was sent, if the error is to repeat it.
        detail: what is wrong with it and what is allowed.
    """
    return wrong_fields(FieldError(path=pointer(*path), value=None if value is None else shown(value), detail=detail))


def wrong_fields(*errors: FieldError) -> ProblemError:
    """An invalid request for some fields' sake; the first speaks for all."""
    return ProblemError(_of_errors(errors))


def _of_errors(errors: Sequence[FieldError], more: int = 0) -> Problem:
    """The problem of an invalid request, in the words of its first error; so many more are only counted."""
    first = errors[0]
    value = "" if first.value is None else f" (sent: {first.value})"
    others = f"; and {more:,} more" if more else ""
    return Problem.of("invalid-request", f"{first.path or 'the request'}: {first.detail}{value}{others}", errors)
