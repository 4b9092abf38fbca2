"""No problem reveals internals of the service: no stack trace, no path, no name of a library."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.batch import answer_batch
from handlers.http import Request
from pets.images import open_photo
from schemas.pets import parse as pets
from schemas.pets.multipart import parse_form
from schemas.problem_kinds import PROBLEM_KINDS
from schemas.problems import Problem, ProblemError
from schemas.sales import parse as sales
from schemas.sales.request import Weather
from tests.leaks import leak
from tests.pets.hostile import hostile_inputs
from tests.schemas.sales.test_parse import GOOD, WILD, WRONG


def problem_of(read: Any, *arguments: Any) -> str:
    """Return the problem that a client gets."""
    with pytest.raises(ProblemError) as caught:
        read(*arguments)
    return caught.value.problem.to_json().decode()


def bad_requests() -> Iterator[str]:
    for body in (b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"store": NaN}', b"{}", b'{"items": 5}'):
        yield problem_of(sales.parse_request, body)
    for name, values in WRONG.items():
        yield from (problem_of(sales.parse_request, json.dumps({**GOOD, name: value}).encode()) for value in values)
    for name in Weather.model_fields:
        for value in (*WILD["temperature"], *WILD["cover"], *WILD["events"]):
            if (name == "events") != isinstance(value, str):
                yield problem_of(sales.parse_request, json.dumps({**GOOD, "weather": {name: value}}).encode())
    photo = base64.b64encode(b"photo").decode()
    for content in ({}, {"image": 5}, {"image": "?"}, {"image": photo, "top_k": "x"}, {"image": photo, "heatmap": "y"}):
        yield problem_of(
            pets.parse_request, {"body": json.dumps(content).encode()}, {"Content-Type": "application/json"}
        )
    for kind in ("text/html", "multipart/form-data", "multipart/form-data; boundary=b", "application/json"):
        yield problem_of(pets.parse_request, {"body": b"--b\r\n\r\n--b--"}, {"Content-Type": kind})


def test_problems_of_invalid_requests_reveal_nothing() -> None:
    bodies = [*bad_requests()]
    assert len(bodies) > 100
    assert [found for body in bodies if (found := leak(body))] == []


def test_problems_of_damaged_photos_reveal_nothing() -> None:
    """The problem contains the decoder's message."""
    photos = [photo.content for photo in hostile_inputs() if len(photo.content) < 100_000]
    bodies = [problem_of(open_photo, photo) for photo in photos]
    assert len(bodies) > 100
    assert [found for body in bodies if (found := leak(body))] == []


def test_a_failing_model_reveals_nothing(tmp_path: Any) -> None:
    def fail(_: Any) -> Any:
        raise OSError(f"[Errno 2] No such file or directory: '{tmp_path}/secret.onnx'")

    cases: list[tuple[Any, Any]] = [(fail, len), (Request.body, fail)]
    for parse, run in cases:
        (response,) = answer_batch([Request({"body": b"x"})], parse=parse, run=run).responses
        assert Problem.model_validate_json(response.body).status == 500
        assert leak(response.body.decode()) is None
        assert "secret" not in response.body.decode()


def test_titles_and_remedies_reveal_nothing() -> None:
    assert [kind for kind, about in PROBLEM_KINDS.items() if leak(f"{about.title} {about.remedy}")] == []


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last)",
        "cannot identify image file <_io.BytesIO object at 0x7f3d4122190>",
        "'/tmp/shopcat-1/models/pets/bundle/network.onnx'",
        "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT",
        "see https://errors.pydantic.dev/2.14/v/missing",
        "handlers.py",
    ],
)
def test_a_leak_is_found(text: str) -> None:
    assert leak(f'{{"detail": "{text}"}}')


def test_problems_of_damaged_forms_reveal_nothing() -> None:
    for body in (b"", b"--b", b"--b\r\n\r\n", b"--b\r\n: \r\n\r\n--b--"):
        with pytest.raises(ValueError, match="form") as caught:
            parse_form(body, "multipart/form-data; boundary=b")
        assert leak(str(caught.value)) is None
