"""Multipart forms: all that clients send is parsed unchanged, and invalid forms are rejected."""

import contextlib
import secrets
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.policy import HTTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.pets.multipart import MAX_PARTS, Part, parse_form

TYPE = "multipart/form-data; boundary=xyz"
DISPOSITION = 'Content-Disposition: form-data; name="image"'


def form(*parts: str, end: str = "--xyz--\r\n") -> bytes:
    return "".join(f"--xyz\r\n{part}\r\n" for part in parts).encode("latin-1") + end.encode()


def test_a_form_from_curl_is_parsed() -> None:
    body = form(
        f'{DISPOSITION}; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8\r\n--xy\r\n',
        'Content-Disposition: form-data; name="top_k"\r\n\r\n3',
    )
    assert parse_form(body, TYPE) == {"image": Part(b"\xff\xd8\r\n--xy\r\n", "image/jpeg"), "top_k": Part(b"3", "")}


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="xyz"',
        "Multipart/Form-Data; charset=utf-8; BOUNDARY=xyz",
        "multipart/form-data;boundary=xyz; charset=nope",
    ],
)
def test_every_spelling_of_the_boundary_is_accepted(content_type: str) -> None:
    assert parse_form(form(f"{DISPOSITION}\r\n\r\nphoto"), content_type)["image"].content == b"photo"


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("content-disposition: form-data; name=image", "image"),
        ('CONTENT-DISPOSITION:form-data;filename="b";name="image"', "image"),
        ('Content-Disposition: form-data; name="Größe"'.encode().decode("latin-1"), "Größe"),
        (f"X-Other: 1\r\n{DISPOSITION}\r\nContent-Transfer-Encoding: Binary", "image"),
    ],
)
def test_every_spelling_of_a_parts_headers_is_accepted(part: str, name: str) -> None:
    assert parse_form(form(f"{part}\r\n\r\nphoto"), TYPE) == {name: Part(b"photo", "")}


def test_preamble_and_epilogue_are_ignored() -> None:
    body = b"a preamble\r\n" + form(f"{DISPOSITION}\r\n\r\n") + b"an epilogue\r\n--xyz\r\n"
    assert parse_form(body, TYPE) == {"image": Part(b"", "")}
    assert parse_form(form(), TYPE) == {}


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (form(f"{DISPOSITION}\r\n\r\n1"), "multipart/form-data", "no boundary"),
        (form(f"{DISPOSITION}\r\n\r\n1"), "multipart/form-data; boundary=", "no boundary"),
        (form(f"{DISPOSITION}\r\n\r\n1"), "multipart/form-data; boundary=" + 71 * "x", "no boundary"),
        (b"", TYPE, "cut off"),
        (b"\xff\xd8 a photo", TYPE, "cut off"),
        (form(f"{DISPOSITION}\r\n\r\n1", end=""), TYPE, "cut off"),
        (form(f"{DISPOSITION}\r\n\r\n1", end="--xy"), TYPE, "cut off"),
        (form(DISPOSITION), TYPE, "no headers"),
        (form(f"{DISPOSITION}\r\nX: {4096 * 'x'}\r\n\r\n1"), TYPE, "no headers"),
        (form("Content-Type: image/jpeg\r\n\r\n1"), TYPE, "no name"),
        (form("Content-Disposition: form-data\r\n\r\n1"), TYPE, "no name"),
        (form('Content-Disposition: form-data; name=""\r\n\r\n1'), TYPE, "no name"),
        (form('Content-Disposition: attachment; name="image"\r\n\r\n1'), TYPE, "no name"),
        (form(f"{DISPOSITION}\r\nContent-Transfer-Encoding: base64\r\n\r\n1"), TYPE, "encoded as 'base64'"),
        (form(f"{DISPOSITION}\r\n\r\n1", f"{DISPOSITION}\r\n\r\n2"), TYPE, "the field 'image' twice"),
        (form(*(f'Content-Disposition: form-data; name="{n}"\r\n\r\n' for n in range(33))), TYPE, "more than 32"),
    ],
)
def test_an_invalid_form_is_rejected(body: bytes, content_type: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_form(body, content_type)


def test_the_maximum_number_of_fields_is_accepted() -> None:
    parts = [f'Content-Disposition: form-data; name="{n}"\r\n\r\n{n}' for n in range(MAX_PARTS)]
    assert len(parse_form(form(*parts), TYPE)) == MAX_PARTS


@given(st.dictionaries(st.sampled_from(["image", "class", "top_k"]), st.binary(max_size=200), min_size=1))
def test_a_form_written_by_the_standard_library_is_parsed(fields: dict[str, bytes]) -> None:
    """The form comes from `email`, with a boundary that no part contains."""
    message = MIMEMultipart("form-data", boundary=secrets.token_hex())
    for name, content in fields.items():
        part = MIMEApplication(content, _encoder=lambda part: None)
        part.add_header("Content-Disposition", "form-data", name=name)
        part["Content-Transfer-Encoding"] = "binary"
        part.set_payload("@" + name + "@")
        message.attach(part)
    body = message.as_bytes(policy=HTTP).partition(b"\r\n\r\n")[2]
    for name, content in fields.items():
        body = body.replace(b"@" + name.encode() + b"@", content, 1)
    read = parse_form(body, str(message["content-type"]))
    assert read == {name: Part(content, "application/octet-stream") for name, content in fields.items()}


@given(st.binary(max_size=300), st.text(max_size=80))
def test_only_value_errors_escape(noise: bytes, content_type: str) -> None:
    bodies = (noise, b"--xyz\r\n" + noise, b"--xyz\r\n" + noise + b"\r\n\r\n1\r\n--xyz--")
    types = (content_type, TYPE, f"multipart/form-data; boundary={content_type}")
    for body, sent_as in zip(bodies, types, strict=True):
        with contextlib.suppress(ValueError):
            parse_form(body, sent_as)
        with contextlib.suppress(ValueError):
            parse_form(body, TYPE)
