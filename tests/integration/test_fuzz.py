"""Random and damaged input for everything that reads foreign data: only our own exceptions, and no 500.

Each of the eight tests runs for SHOPCAT_FUZZ_SECONDS, 3 by default; 40 make five minutes. The inputs are the same in
every run, so that a fault that one run finds can be repeated.
"""

import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.pets import PetsHandler
from handlers.sales import SalesHandler
from handlers.telemetry.recorder import START_HEADER, Telemetry
from handlers.telemetry.request_log import RequestLog
from handlers.torchserve.protocol import read_batch
from runtime.bundle import MANIFEST, BundleError, kind_of, read_manifest
from schemas.kinds import MODEL_KINDS
from schemas.pets.multipart import parse_form
from tests.handlers.torchserve.test_protocol import message, received, sent_by
from tests.leaks import leak
from tests.pets.hostile import FORMATS, encoded, hostile_inputs
from tests.schemas.sales.test_parse import REQUESTS
from tests.training.pets.drawn import BREEDS, draw_photo
from training.sales.forecast_files.forecast import forecast_file
from training.sales.forecast_files.formats import RowsError

pytestmark = pytest.mark.integration

SECONDS = float(os.environ.get("SHOPCAT_FUZZ_SECONDS", "3"))
FORM = "multipart/form-data; boundary=xyz"
DAY = {"store": 1, "date": "2015-08-22", "promo": True, "state_holiday": "a", "weather": {"cloud_cover": 3.5}}
Value = TypeVar("Value")


def fuzz(values: st.SearchStrategy[Value], read: Callable[[Value], object]) -> None:
    """Call ``read`` with one value after another until the time is over."""
    deadline, number = time.monotonic() + SECONDS, 0
    while time.monotonic() < deadline:
        test = given(values)(lambda value: read(value))
        run_many = settings(max_examples=100, database=None, deadline=None, suppress_health_check=[*HealthCheck])
        seed(number)(run_many(test))()
        number += 1


@st.composite
def damaged(draw: st.DrawFn, *valid: bytes) -> bytes:
    """Draw one of the valid inputs, with some pieces changed, removed, repeated or inserted."""
    content = bytearray(draw(st.sampled_from(valid)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.integers(0, 9))
        piece = draw(st.binary(max_size=6) | st.sampled_from([b"", bytes(content[start : end + 40]), b"\xff" * 4]))
        content[start:end] = piece
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.integers(0, 9)) == 0 else content)


def check_answered(handler: SalesHandler | PetsHandler, fields: Mapping[str, bytes], content_type: str = "") -> None:
    """Check that the handler answers the request, and not with a 5xx."""
    requests = [Request(fields, [(b"Content-Type", content_type.encode("utf-8", "surrogatepass"))])]
    (response,) = answer_batch(requests, parse=handler.parse, run=handler.predict).responses
    content = json.loads(response.body)
    assert response.status < 500, content
    assert response.status == content.get("status", 200)
    assert response.status == 200 or not leak(content["title"] + content["detail"].partition(" (sent")[0])


@pytest.fixture(scope="module")
def sales(demo_bundle: Path) -> SalesHandler:
    return SalesHandler(demo_bundle, device="cpu")


@pytest.fixture(scope="module")
def pets(pets_bundle: Path) -> PetsHandler:
    return PetsHandler(pets_bundle, device="cpu")


def test_any_sales_request_is_answered(sales: SalesHandler) -> None:
    valid = [
        DAY,
        {"items": [DAY, DAY], "levels": [80, 97.5], "objective": "mean"},
        {"store": 1, "start": "2015-08-22", "days": 3, "promo": [True, None, False], "quantiles": [0.1, 0.99]},
    ]
    bodies = REQUESTS.map(json.dumps).map(str.encode) | damaged(*(json.dumps(request).encode() for request in valid))
    fuzz(bodies | st.binary(max_size=80), lambda body: check_answered(sales, {"body": body}))


PHOTOS = [encoded(draw_photo(next(iter(BREEDS)), 1).resize((32, 24)), name) for name in FORMATS]
HOSTILE = [file.content for file in hostile_inputs() if len(file.content) < 10_000]


def test_any_photo_is_answered(pets: PetsHandler) -> None:
    fuzz(damaged(*PHOTOS, *HOSTILE), lambda photo: check_answered(pets, {"body": photo}, "image/jpeg"))


def form(photo: bytes, **options: str) -> bytes:
    parts = {"image": photo, **{name: value.encode() for name, value in options.items()}}
    head = '--xyz\r\nContent-Disposition: form-data; name="{}"; filename="ü.jpg"\r\nContent-Type: image/png\r\n\r\n'
    return b"".join(head.format(name).encode() + value + b"\r\n" for name, value in parts.items()) + b"--xyz--\r\n"


def test_any_pets_request_is_answered(pets: PetsHandler) -> None:
    text = base64.b64encode(PHOTOS[0]).decode()
    options = {"heatmap": "contrast", "class": "red", "versus": "blue", "top_k": "3", "overlay": "png"}
    bodies = damaged(
        *(
            json.dumps({"image": start + text, **options, "top_k": 3}).encode()
            for start in ("", "data:image/png;base64,")
        ),
        form(PHOTOS[0], **options),
    )
    values = bodies | st.binary(max_size=40) | st.text(max_size=20).map(str.encode)
    names = st.sampled_from(["image", *options]) | st.text(max_size=8)
    fields = st.dictionaries(names, values, max_size=3)
    types = st.sampled_from(["application/json", FORM, "image/png", "", "application/x-www-form-urlencoded"])
    requests = st.tuples(fields, st.none() | bodies, types | st.text(max_size=30))

    def read(request: tuple[dict[str, bytes], bytes | None, str]) -> None:
        fields, body, content_type = request
        check_answered(pets, fields if body is None else {**fields, "body": body}, content_type)

    fuzz(requests, read)


def test_any_form_is_parsed_or_a_value_error() -> None:
    def read(body: bytes, content_type: str) -> None:
        with suppress(ValueError):
            parse_form(body, content_type)

    types = st.just(FORM) | st.text(max_size=40).map("multipart/form-data; boundary={}".format) | st.text()
    bodies = damaged(form(b"a photo", top_k="3"), form(b"", heatmap="none")) | st.binary()
    fuzz(st.tuples(bodies, types), lambda form_and_type: read(*form_and_type))


@pytest.mark.parametrize("kind", MODEL_KINDS)
def test_any_manifest_is_read_or_a_bundle_error(
    kind: str, demo_bundle: Path, pets_bundle: Path, tmp_path: Path
) -> None:
    folder = {"sales": demo_bundle, "pets": pets_bundle}[kind]
    valid = (folder / MANIFEST).read_bytes()

    def read(content: bytes) -> None:
        (tmp_path / MANIFEST).write_bytes(content)
        with suppress(BundleError):
            kind_of(tmp_path)
            read_manifest(tmp_path, MODEL_KINDS[kind].manifest, kind=kind, format_version=1)

    fuzz(damaged(valid) | st.binary() | st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000]), read)


def test_any_csv_is_forecast_or_a_rows_error(sales: SalesHandler, tmp_path: Path) -> None:
    valid = (
        b"Id,Store,DayOfWeek,Date,Open,Promo,StateHoliday,SchoolHoliday\n1,1,6,2015-08-22,1.0,1,0,0\n2,2,6,2015-08-22,,,,\n",
        b'store,date,promo,note\r\n"1","2015-08-22",true,"a, ""b"""\r\n',
    )

    def read(content: bytes) -> None:
        (tmp_path / "rows.csv").write_bytes(content)
        with suppress(RowsError):
            forecast_file(sales.model, tmp_path / "rows.csv", tmp_path / "out.csv")

    fuzz(damaged(*valid) | st.binary(max_size=200) | st.text(max_size=200).map(str.encode), read)


def test_any_message_of_the_front_end_is_answered(
    sales: SalesHandler, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Send messages with any text in headers and names, and any bytes in values, as clients can make them.

    The worker answers every request and records it in the request log, without an error in the log.
    """
    words = st.text(max_size=12).map(str.encode)
    numbers = st.from_regex(r"\A\d{1,20}\Z").map(str.encode) | st.just(b"9" * 5000)
    headers = st.sampled_from([START_HEADER, b"x-request-id", b"traceparent", b"Content-Type"]) | words
    values = st.binary(max_size=60) | REQUESTS.map(json.dumps).map(str.encode)
    names = st.sampled_from([b"body", b"image"]) | words
    request = st.tuples(
        st.from_regex(rb"\A[0-9a-f-]{1,9}\Z"),
        st.lists(st.tuples(headers, words | numbers), max_size=4),
        st.lists(st.tuples(names, words, values), max_size=3),
    )
    request_log = RequestLog(tmp_path / "requests.jsonl", per_second=1e9)
    telemetry = Telemetry("fuzz", "1", sales.observer, request_log=request_log)
    answer = partial(answer_batch, parse=sales.parse, run=sales.predict, telemetry=telemetry)

    def read(requests_and_piece: tuple[list[Any], int]) -> None:
        sent, piece = requests_and_piece
        requests = received(message(sent), read_batch, piece=piece)
        assert [request.server_id for request in requests] == [name for name, _, _ in sent]
        assert sent_by(requests, answer)
        telemetry.flush()
        assert [record.exc_info for record in caplog.records if record.levelname == "ERROR"] == []

    fuzz(st.tuples(st.lists(request, max_size=3), st.integers(7, 9_000)), read)
    lines = (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["model"] for line in lines} == {"fuzz"}
