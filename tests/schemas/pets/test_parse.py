"""Parsing of pets requests: every way to send a photo, every option, and only problems as exceptions.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.pets.answer import BoxAnswer, Breed, HeatmapAnswer, PetWarning, Prediction
from schemas.pets.parse import parse_request
from schemas.pets.request import PetRequest, class_key
from schemas.problems import MAX_ERRORS, Problem, ProblemError

PHOTO = b"\xff\xd8\xff a photo \r\n\x00\x00"
TEXT = base64.b64encode(PHOTO).decode()
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=xyz"}
JPEG = {"Content-Type": "image/jpeg"}
# As strings, for a query or a form; JSON has a number.
OPTIONS = {
    "heatmap": "contrast",
    "class": "Maine Coon",
    "versus": "ragdoll",
    "look": "closer",
    "top_k": "3",
    "overlay": "none",
}
EXPECTED = PetRequest(
    image=PHOTO, heatmap="contrast", class_="Maine Coon", versus="ragdoll", look="closer", top_k=3, overlay="none"
)


def body_of(content: Any, **query: Any) -> dict[str, Any]:
    """Return the fields of a request with a JSON body."""
    return {"body": json.dumps(content).encode(), **query}


def form_of(**fields: bytes | str) -> bytes:
    """Return the bytes of a form."""
    parts = []
    for name, value in fields.items():
        content = value.encode() if isinstance(value, str) else value
        parts.append(b'--xyz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), content))
    return b"".join(parts) + b"--xyz--\r\n"


def options_of(request: PetRequest) -> dict[str, Any]:
    """Return all fields of a request but the image's content type."""
    return request.model_dump(exclude={"content_type"})


def problem_of(fields: Mapping[str, Any], headers: Mapping[str, str]) -> Problem:
    with pytest.raises(ProblemError) as caught:
        parse_request(fields, headers)
    problem = caught.value.problem
    assert json.loads(problem.to_json())["detail"] == problem.detail
    return problem


# The ways to send a photo.


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"body": PHOTO, **OPTIONS}, JPEG),
        ({"body": bytearray(PHOTO), **{name: bytearray(value.encode()) for name, value in OPTIONS.items()}}, JPEG),
        ({"body": form_of(image=PHOTO, **OPTIONS)}, FORM),
        ({"body": form_of(image=PHOTO), **OPTIONS}, FORM),
        ({"image": PHOTO, **OPTIONS}, FORM),  # a form that the server has parsed
        (body_of({"image": TEXT, **OPTIONS, "top_k": 3}), JSON),
        (body_of({"image": TEXT}, **OPTIONS), JSON),
    ],
    ids=["raw", "raw, bytes", "form", "form and query", "form read by the server", "JSON", "JSON and query"],
)
def test_every_form_of_request_gives_the_same_result(fields: dict[str, Any], headers: dict[str, Any]) -> None:
    assert options_of(parse_request(fields, headers)) == options_of(EXPECTED)


def test_a_photo_without_options_gets_the_defaults() -> None:
    request = parse_request({"body": PHOTO}, JPEG)
    assert request == PetRequest(image=PHOTO, content_type="image/jpeg")
    assert (request.heatmap, request.class_, request.versus, request.top_k) == ("none", None, None, 5)
    assert request.look == "whole"
    assert PHOTO.hex() not in repr(request)
    assert "photo" not in repr(request)


@pytest.mark.parametrize(
    ("headers", "content_type"),
    [
        ({}, None),
        ({"content-type": "application/octet-stream"}, "application/octet-stream"),
        ({"CONTENT-TYPE": "Image/JPEG; q=1"}, "image/jpeg"),
        ({"Content-Type": "image/x-unheard-of"}, "image/x-unheard-of"),  # the bytes decide
        ({"Content-Type": "application/x-www-form-urlencoded"}, None),  # the default of curl
        ({"Content-Type": "image/png", "Content-Encoding": "identity"}, "image/png"),
        ({"Content-Type": "image/png", "body": "text/html", "explain": "False"}, "image/png"),
    ],
)
def test_the_content_type_of_a_photo_is_kept(headers: dict[str, str], content_type: str | None) -> None:
    assert parse_request({"body": PHOTO}, headers) == PetRequest(image=PHOTO, content_type=content_type)


def test_a_photo_in_a_form_has_the_content_type_of_its_part() -> None:
    part = b'--xyz\r\nContent-Disposition: form-data; name="image"\r\nContent-Type: image/webp\r\n\r\n%s\r\n--xyz--\r\n'
    assert parse_request({"body": part % PHOTO}, FORM).content_type == "image/webp"
    assert parse_request({"image": PHOTO}, FORM).content_type is None
    assert problem_of({"body": part.replace(b"image/webp", b"text/html") % PHOTO}, FORM).status == 415


def test_a_urlencoded_form_that_the_server_has_parsed_is_accepted() -> None:
    assert parse_request({"image": PHOTO}, {"Content-Type": "application/x-www-form-urlencoded"}).image == PHOTO


@pytest.mark.parametrize("headers", [{}, JSON, {"Content-Type": "application/x-www-form-urlencoded"}])
def test_json_is_recognized_by_its_brace(headers: dict[str, str]) -> None:
    """`curl -d` sends JSON with the content type of a form."""
    assert parse_request({"body": b" \n" + body_of({"image": TEXT})["body"]}, headers).image == PHOTO


@pytest.mark.parametrize(
    ("start", "content_type"),
    [
        ("data:image/png;base64,", "image/png"),
        ("DATA:image/SVG+xml;charset=utf-8;BASE64,", "image/svg+xml"),
        ("data:;base64,", None),
    ],
)
def test_a_data_url_gives_image_and_content_type(start: str, content_type: str | None) -> None:
    request = parse_request(body_of({"image": start + TEXT}), JSON)
    assert (request.image, request.content_type) == (PHOTO, content_type)


@pytest.mark.parametrize("blank", ["", b""])
def test_an_empty_option_is_ignored(blank: bytes | str) -> None:
    fields = dict.fromkeys(OPTIONS, blank)
    assert parse_request({"body": PHOTO, **fields}, JPEG) == PetRequest(image=PHOTO, content_type="image/jpeg")


# Mistakes.


@pytest.mark.parametrize(
    ("fields", "headers", "status", "words"),
    [
        ({}, {}, 400, "image is empty"),
        ({"body": b""}, JPEG, 400, "image is empty"),
        ({"body": b""}, JSON, 400, "not JSON"),
        ({"body": b""}, FORM, 400, "cut off"),
        ({}, FORM, 400, "no field image; its fields: none"),
        ({"body": form_of(image=b"")}, FORM, 400, "image is empty"),
        ({"body": form_of(img=PHOTO, top_k="3")}, FORM, 400, "its fields: 'img', 'top_k'"),
        ({"body": PHOTO}, {"Content-Type": "multipart/form-data"}, 400, "no boundary"),
        ({"\xff\xd8": b"\xff"}, {"Content-Type": "application/x-www-form-urlencoded"}, 400, "curl"),
        ({"body": b"{"}, {}, 400, "not JSON"),
        ({"body": b'{"image": NaN}'}, JSON, 400, "not JSON"),
        ({"body": b"[]"}, JSON, 400, "not an object"),
        ({"body": b"{}"}, JSON, 400, "field image"),
        ({"body": b'{"image": null}'}, JSON, 400, "field image"),
        ({"body": b'{"image": ""}'}, JSON, 400, "image is empty"),
        ({"body": b'{"image": "data:image/png;base64,"}'}, JSON, 400, "image is empty"),
        ({"body": PHOTO}, {"Content-Type": "text/html"}, 415, "'text/html' is not an image type; send"),
        ({"body": PHOTO}, {"Content-Type": "video/mp4"}, 415, "curl -F image=@photo.jpg"),
        ({"body": b"{}"}, {"Content-Type": "text/plain"}, 415, "text/plain"),
        ({"body": PHOTO}, {"Content-Type": "multipart/mixed; boundary=xyz"}, 415, "multipart/mixed"),
        ({"body": b'{"image": "data:text/html;base64,AAAA"}'}, JSON, 415, "text/html"),
        ({"body": PHOTO}, {**JPEG, "Content-Encoding": "gzip"}, 415, "gzip"),
    ],
)
def test_an_invalid_request_is_rejected(
    fields: dict[str, Any], headers: dict[str, Any], status: int, words: str
) -> None:
    problem = problem_of(fields, headers)
    assert problem.status == status
    assert words in problem.detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TEXT[:-1], "padding"),
        (TEXT + "=", "base64"),
        (TEXT + "AAAA", "base64"),
        (TEXT[:8] + "\n" + TEXT[8:], "line breaks"),
        (TEXT.replace("/", "_"), "standard alphabet"),
        ("ü", "base64"),
        ("data:image/png,AAAA", "data URL"),
        ("data:image/png;base64", "data URL"),
        (7, "must be a string"),
        ({"$ref": "x"}, "must be a string"),
    ],
)
def test_invalid_base64_is_rejected(text: Any, words: str) -> None:
    problem = problem_of(body_of({"image": text}), JSON)
    assert (problem.status, problem.errors[0].path) == (422, "/image")
    assert words in problem.detail


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("heatmap", "saliency", "'none', 'activation', 'gradcam' or 'contrast'"),
        ("heatmap", "GradCAM", "'gradcam'"),
        ("heatmap", " ", "'none', 'activation', 'gradcam' or 'contrast'"),
        ("look", "close", "'whole' or 'closer'"),
        ("overlay", "jpeg", "'none' or 'png'"),
        ("overlay", "png ", "'none' or 'png'"),
        ("top_k", "0", "must be 1 or more"),
        ("top_k", "101", "must be 100 or less"),
        ("top_k", "3.5", "whole number"),
        ("top_k", "-1", "whole number"),
        ("top_k", "٣", "whole number"),
        ("top_k", "9" * 5000, "whole number"),
        ("class", "x" * 101, "100 characters"),
        ("class", b"\xff\xfe", "UTF-8"),
        ("top_k", b"\xff", "UTF-8"),
    ],
)
def test_an_option_with_an_invalid_value_is_rejected(option: str, value: bytes | str, words: str) -> None:
    heatmap = {"heatmap": "gradcam"} if option == "class" else {}
    for fields in (
        {"body": PHOTO, **heatmap, option: value},
        {"body": form_of(image=PHOTO, **heatmap, **{option: value})},
    ):
        problem = problem_of(fields, FORM if fields["body"] != PHOTO else JPEG)
        assert (problem.status, problem.errors[0].path) == (422, f"/{option}")
        assert words in problem.detail
        assert len(problem.to_json()) < 1000


@pytest.mark.parametrize("value", ["3", 3.5, True, None, [3], 10**400])
def test_top_k_in_json_must_be_a_whole_number(value: Any) -> None:
    problem = problem_of(body_of({"image": TEXT, "top_k": value}), JSON)
    assert (problem.status, problem.errors[0].path) == (422, "/top_k")


def test_json_takes_precedence_over_the_query() -> None:
    assert parse_request(body_of({"image": TEXT, "top_k": 3}, top_k="7"), JSON).top_k == 3


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"class": "Ragdoll"}, "/class"),
        ({"class": "Ragdoll", "heatmap": "activation"}, "/class"),
        ({"versus": "Ragdoll", "heatmap": "gradcam"}, "/versus"),
        ({"versus": "Ragdoll"}, "/versus"),
        ({"class": "Maine Coon", "versus": "maine_coon", "heatmap": "contrast"}, "/versus"),
    ],
)
def test_an_option_without_effect_is_rejected(options: dict[str, str], path: str) -> None:
    problem = problem_of({"body": PHOTO, **options}, JPEG)
    assert [error.path for error in problem.errors] == [path]
    assert problem.status == 422


@pytest.mark.parametrize(
    ("options", "heatmap"),
    [
        ({}, "gradcam"),
        ({"heatmap": ""}, "gradcam"),
        ({"class": "Ragdoll"}, "gradcam"),
        ({"heatmap": "activation"}, "activation"),
        ({"heatmap": "contrast", "versus": "Ragdoll"}, "contrast"),
    ],
)
def test_an_explanation_always_has_a_heatmap(options: dict[str, str], heatmap: str) -> None:
    assert parse_request({"body": PHOTO, **options}, JPEG, explain=True).heatmap == heatmap
    assert parse_request(body_of({"image": TEXT}, **options), JSON, explain=True).heatmap == heatmap


@pytest.mark.parametrize("fields", [{"body": PHOTO, "heatmap": b"none"}, body_of({"image": TEXT, "heatmap": "none"})])
def test_an_explanation_without_a_heatmap_is_rejected(fields: dict[str, Any]) -> None:
    with pytest.raises(ProblemError) as raised:
        parse_request(fields, JPEG if fields["body"] == PHOTO else JSON, explain=True)
    problem = raised.value.problem
    assert (problem.status, problem.errors[0].path) == (422, "/heatmap")
    assert "/predictions/pets" in problem.detail


@pytest.mark.parametrize("heatmap", ["rainbow", None, 1])
def test_an_explanation_with_an_invalid_heatmap_is_rejected(heatmap: Any) -> None:
    with pytest.raises(ProblemError) as raised:
        parse_request(body_of({"image": TEXT, "heatmap": heatmap}), JSON, explain=True)
    assert [error.path for error in raised.value.problem.errors] == ["/heatmap"]


@pytest.mark.parametrize("name", ["heat_map", "class_", "content_type", "Class", "x" * 5000, "a/b", "", "image"])
def test_the_error_of_an_unknown_option_lists_the_valid_ones(name: str) -> None:
    problem = problem_of({"body": PHOTO, name: b"1"}, JPEG)
    assert problem.status == 422
    assert "the options are heatmap, class, versus, look, top_k, overlay" in problem.detail
    assert len(problem.to_json()) < 1000


def test_the_response_to_many_unknown_options_is_short() -> None:
    problem = problem_of(body_of({"image": TEXT, **{f"option {n}": n for n in range(1000)}}), JSON)
    assert len(problem.errors) == MAX_ERRORS


def test_a_form_field_named_like_a_header_is_not_a_header() -> None:
    fields = {"image": PHOTO, "content-type": b"text/html"}
    assert problem_of(fields, FORM).errors[0].path == "/content-type"


values = st.one_of(st.binary(max_size=40), st.text(max_size=40), st.sampled_from([PHOTO, form_of(image=PHOTO), b"{}"]))
names = st.one_of(st.sampled_from(["body", "image", *OPTIONS]), st.text(max_size=10))
types = st.one_of(st.sampled_from([*JSON.values(), *FORM.values(), *JPEG.values(), ""]), st.text(max_size=40))


@given(st.dictionaries(names, values, max_size=4), types)
def test_only_problems_escape(fields: dict[str, Any], content_type: str) -> None:
    with contextlib.suppress(ProblemError):
        assert parse_request(fields, {"Content-Type": content_type}).image


@given(st.dictionaries(names, st.recursive(st.none() | st.integers() | st.text(max_size=20), st.lists), max_size=4))
def test_only_problems_escape_from_json(content: dict[str, Any]) -> None:
    for image in ({}, {"image": TEXT}):
        with contextlib.suppress(ProblemError):
            assert parse_request(body_of(content | image), JSON).image


# Names and answers.


@pytest.mark.parametrize("name", ["Maine Coon", "maine_coon", " MAINE  COON", "Maine\tCoon_"])
def test_all_spellings_of_a_class_have_one_key(name: str) -> None:
    assert class_key(name) == class_key("Maine Coon")
    assert class_key(name) != class_key("Mainecoon")


def test_a_prediction_is_written_as_json() -> None:
    heatmap = HeatmapAnswer(
        method="gradcam",
        class_="Ragdoll",
        versus=None,
        grid=[[0.0, 0.5], [1.5, 2.0]],
        min=0.0,
        max=2.0,
        all_zero=False,
        box=BoxAnswer(62.5, 0.0, 437.5, 375.0),
        width=500,
        height=375,
        overlay="iVBORw0=",
    )
    top = [Breed("Ragdoll", "cat", 0.75), Breed("Löwchen", None, 0.125)]
    warnings = [PetWarning("small_image", "the photo is small")]
    box = BoxAnswer(1.5, 0.0, 101.5, 100.0)
    answer = Prediction(
        "Ragdoll", "cat", 0.75, top, True, "accept", None, "closer", box, heatmap, warnings, "pets", "1"
    )
    content = json.loads(answer.to_json())
    assert list(content) == [
        *("breed", "species", "probability", "top", "known", "decision", "review_reason", "look", "box"),
        *("heatmap", "warnings", "model", "version"),
    ]
    assert content["top"][1] == {"breed": "Löwchen", "species": None, "probability": 0.125}
    assert (content["look"], content["box"]) == ("closer", {"left": 1.5, "top": 0.0, "right": 101.5, "bottom": 100.0})
    assert content["heatmap"] == {
        "method": "gradcam",
        "class": "Ragdoll",
        "versus": None,
        "grid": [[0.0, 0.5], [1.5, 2.0]],
        "min": 0.0,
        "max": 2.0,
        "all_zero": False,
        "box": {"left": 62.5, "top": 0.0, "right": 437.5, "bottom": 375.0},
        "width": 500,
        "height": 375,
        "overlay": "iVBORw0=",
    }
    assert content["warnings"] == [{"code": "small_image", "detail": "the photo is small"}]
    plain = Prediction("x", None, 1.0, [], False, "review", "unlike_training", "whole", box, None, [], "pets", "1")
    content = json.loads(plain.to_json())
    assert content["heatmap"] is None
    assert (content["known"], content["review_reason"]) == (False, "unlike_training")
