"""Problems: RFC 9457 members, statuses, and messages that need no knowledge of the code."""

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel, Field, ValidationError

from schemas.problem_kinds import ProblemName, names_by_status
from schemas.problems import (
    FieldError,
    Problem,
    ProblemError,
    abbreviate,
    json_pointer,
    validation_problem,
)

STATUSES = {
    "malformed-request": 400,
    "invalid-request": 422,
    "unknown-store": 404,
    "outside-calendar": 422,
    "beyond-horizon": 422,
    "no-calibration": 422,
    "unsupported-media-type": 415,
    "not-an-image": 422,
    "damaged-image": 422,
    "image-too-large": 413,
    "unknown-class": 404,
    "invalid-receipt": 400,
    "expired-receipt": 410,
    "internal-error": 500,
    "fatal-request": 422,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "conflict": 409,
    "precondition-failed": 412,
    "unusable-project": 409,
    "storage-full": 507,
    "not-ready": 409,
    "not-supported": 409,
    "method-not-allowed": 405,
    "too-large": 413,
    "overloaded": 503,
    "request-timeout": 408,
    "rate-limited": 429,
    "headers-too-large": 431,
    "unavailable": 503,
    "timeout": 504,
}


class Inner(BaseModel):
    count: int = Field(strict=True, ge=0)


class Outer(BaseModel, extra="forbid"):
    name: str
    parts: dict[str, Inner] = {}


def caught(value: Any) -> ValidationError:
    with pytest.raises(ValidationError) as error:
        Outer.model_validate(value)
    return error.value


@pytest.mark.parametrize("kind", get_args(ProblemName))
def test_a_problem_has_the_members_of_rfc_9457(kind: ProblemName) -> None:
    """A URI as type, one title for each type, the HTTP status, a detail for this occurrence, and two extensions."""
    body = json.loads(Problem.of(kind, "what and why", [FieldError(path="/a", detail="wrong")]).to_json())
    assert {*body} == {"type", "title", "status", "detail", "documentation", "errors"}
    assert body["type"] == f"urn:shopcat:problem:{kind}"
    assert body["title"] == Problem.of(kind, "another time").title
    assert body["status"] == STATUSES[kind]
    assert body["detail"] == "what and why"
    assert body["errors"] == [{"path": "/a", "detail": "wrong"}]
    assert Problem.model_validate(body).to_json() == json.dumps(body, separators=(",", ":")).encode()


def test_problems_are_grouped_by_status_lowest_first() -> None:
    listed = names_by_status(get_args(ProblemName))
    assert list(listed) == sorted(set(STATUSES.values()))
    assert {kind: status for status, alike in listed.items() for kind in alike} == STATUSES
    assert names_by_status(["internal-error", "unknown-store"]) == {404: ["unknown-store"], 500: ["internal-error"]}


def test_an_empty_list_of_errors_is_not_sent() -> None:
    assert "errors" not in json.loads(Problem.of("internal-error", "").to_json())


def test_a_problem_error_carries_its_problem() -> None:
    problem = Problem.of("unknown-store", "store 9 is not known")
    assert ProblemError(problem).problem is problem
    assert str(ProblemError(problem)) == "store 9 is not known"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (None, "null"),
        ("2015", "'2015'"),
        ([1, "a"], '[1, "a"]'),
        ("zwölf", r"'zw\xf6lf'"),
        ("\ud800", r"'\ud800'"),  # an unpaired surrogate, which UTF-8 cannot encode
        ("line\nbreak\x1b[31m", r"'line\nbreak\x1b[31m'"),
        ("x" * 58, "'" + "x" * 58 + "'"),
        ("x" * 59, "'" + "x" * 56 + "..."),
        (10**100, "1" + "0" * 56 + "..."),
    ],
)
def test_an_abbreviated_value_is_short_printable_ascii(value: Any, text: str) -> None:
    assert abbreviate(value) == text
    assert abbreviate(value).isascii()
    assert abbreviate(value).isprintable()
    assert len(abbreviate(value)) <= 60


def test_json_pointers_follow_rfc_6901() -> None:
    assert json_pointer() == ""
    assert json_pointer("items", 3, "date") == "/items/3/date"
    assert json_pointer("a/b", "m~n", "") == "/a~1b/m~0n/"


NAMES = {"": ["name", "parts"]}


def test_a_validation_problem_lists_every_invalid_field_with_its_path() -> None:
    problem = validation_problem(
        caught({"parts": {"a/b": {"count": -1}, "c": {"count": "1"}, "d": {}}, "nam": "x"}), names=NAMES
    )
    assert [(error.path, error.value) for error in problem.errors] == [
        ("/name", None),
        ("/parts/a~1b/count", "-1"),
        ("/parts/c/count", "'1'"),
        ("/parts/d/count", None),
        ("/nam", "'x'"),
    ]
    details = [error.detail for error in problem.errors]
    assert details[0] == details[3] == "required, but missing"
    assert details[1] == "must be 0 or more"
    assert details[2] == "must be a whole number, without quotes or decimal point"
    assert details[4] == "unknown field; the valid fields are name, parts"
    assert problem.detail == "/name: required, but missing; and 4 more"
    assert problem.status == 422


def test_the_path_of_the_validated_part_comes_first() -> None:
    problem = validation_problem(caught({"name": "x", "parts": {"c": {"count": 1.5}}}), at=("items", 7))
    assert problem.errors[0].path == "/items/7/parts/c/count"
    assert (
        problem.detail == "/items/7/parts/c/count: must be a whole number, without quotes or decimal point (sent: 1.5)"
    )


def test_a_request_that_is_no_object_has_an_empty_path() -> None:
    problem = validation_problem(caught("a text"))
    assert problem.errors[0].path == ""
    assert problem.detail.startswith("the request: must be a JSON object")
