"""console.bodies: bodies are read whole and checked, and a large one keeps no other request waiting."""

import json
import threading
from collections.abc import AsyncIterator

import anyio
import pytest
from pydantic import BaseModel, field_validator
from starlette.requests import Request
from starlette.types import Message

from console import bodies
from console.bodies import read_body
from schemas.problems import ProblemError


class Names(BaseModel):
    """A body that notes the thread which checks it."""

    names: list[str]
    checked_in: int = 0

    @field_validator("checked_in", mode="before")
    @classmethod
    def note(cls, _: object) -> int:
        return threading.get_ident()


def read(content: bytes, *, most: int = 1 << 20) -> tuple[Names, int]:
    """Return the body of a request that arrives in pieces, and the thread of the event loop."""

    async def pieces() -> AsyncIterator[Message]:
        half = len(content) // 2
        yield {"type": "http.request", "body": content[:half], "more_body": True}
        yield {"type": "http.request", "body": content[half:]}

    async def run() -> tuple[Names, int]:
        arriving = pieces()
        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"application/json")]}
        request = Request(scope, lambda: anext(arriving))
        return await read_body(request, Names, most=most), threading.get_ident()

    return anyio.run(run)


def body(size: int) -> bytes:
    """Return a valid body of some size."""
    empty = json.dumps({"names": [""], "checked_in": 0})
    return json.dumps({"names": ["x" * (size - len(empty))], "checked_in": 0}).encode()


def test_a_large_body_is_checked_outside_the_event_loop() -> None:
    small, loop = read(body(bodies._IN_A_THREAD))
    assert small.checked_in == loop
    large, loop = read(body(bodies._IN_A_THREAD + 1))
    assert large.checked_in != loop
    assert len(large.names[0]) > len(small.names[0])


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (body(200_001), "too-large"),
        (b"[" + b" " * 100_000 + b"]", "malformed-request"),
        (b'{"names": 1}' + b" " * 100_000, "invalid-request"),
        (b"{" * 100_000, "malformed-request"),
    ],
)
def test_the_faults_of_a_large_body_are_problems(content: bytes, kind: str) -> None:
    with pytest.raises(ProblemError) as raised:
        read(content, most=200_000)
    assert raised.value.problem.type.endswith(kind)
