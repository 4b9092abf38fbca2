"""handlers.http: requests as any server of a worker passes them on."""

import pytest

from handlers.http import MAX_ID, Request, header_columns
from schemas.problems import ProblemError


def test_a_body_is_a_field() -> None:
    assert Request({"body": b"1", "top_k": b"3"}).body() == b"1"


@pytest.mark.parametrize("fields", [{}, {"body": b""}, {"store": b"1"}])
def test_a_request_without_a_body_is_malformed(fields: dict[str, bytes]) -> None:
    with pytest.raises(ProblemError, match=r"no JSON body.*Content-Type: application/json") as raised:
        Request(fields).body()
    assert raised.value.problem.status == 400


@pytest.mark.parametrize("spelt", [b"content-type", b"Content-Type", b"CONTENT-TYPE"])
def test_a_header_is_found_in_any_spelling(spelt: bytes) -> None:
    request = Request({"content-type": b"a field"}, [(b"host", b"x"), (spelt, "ü".encode())])
    assert request.header(b"content-type") == "ü"
    assert request.header(b"content") == ""


def test_a_header_that_is_no_text_is_readable() -> None:
    assert Request({}, [(b"traceparent", b"\xff-01")]).header(b"traceparent") == "\N{REPLACEMENT CHARACTER}-01"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], "server"),
        ([(b"x-request-id", b"")], "server"),
        ([(b"X-Request-ID", b"theirs")], "theirs"),
        ([(b"x-request-id", b"x" * 500)], "x" * MAX_ID),
    ],
)
def test_an_id_is_the_clients_or_else_the_servers(headers: list[tuple[bytes, bytes]], expected: str) -> None:
    assert Request({}, headers, server_id=b"server").id == expected


def test_a_header_of_all_requests_is_found_at_any_index() -> None:
    requests = [
        Request({}, [(name, name + b" of %d" % len(names)) for name in names])
        for names in (
            (b"host", b"start"),
            (b"host", b"start"),
            (b"start",),
            (b"a", b"b", b"c", b"start"),
            (b"host", b"x"),
            (),
        )
    ]
    (found,) = header_columns(requests, b"start")
    assert found == [b"start of 2", b"start of 2", b"start of 1", b"start of 4", None, None]
    assert header_columns(requests, b"x") == [[None] * 6]  # the first request has none
    assert header_columns([], b"x", b"y") == [[], []]
