"""Parse a request for ``/predictions/pets`` or ``/explanations/pets``."""

import binascii
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from schemas.json_text import parse_json
from schemas.pets.multipart import Part, parse_form
from schemas.pets.request import MAX_NAME, PetOptions, PetRequest
from schemas.problem_kinds import ProblemName
from schemas.problems import (
    MAX_ERRORS,
    FieldError,
    Problem,
    ProblemError,
    abbreviate,
    invalid_field,
    invalid_fields,
    json_pointer,
    validation_problem,
)

JSON = "application/json"
FORM = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
UNNAMED = ("", "application/octet-stream")  # content types that leave the format open

_HOW = (
    "send the photo's file with its content type (curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg), as the "
    "field image of a form (curl -F image=@photo.jpg), or as the field image of a JSON object, in base64"
)
_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]*)(?:;[\w.+-]+=[^;,]{0,60}){0,4};base64,", re.ASCII | re.IGNORECASE)
_NAMES = tuple(field.alias or name for name, field in PetOptions.model_fields.items())


def parse_request(fields: Mapping[str, Any], headers: Mapping[str, str], *, explain: bool = False) -> PetRequest:
    """Parse a request in any of its forms. The image is not decoded here.

    Args:
        fields: bytes or text: the ``body``, or the fields of a form that the server has parsed; and the query
            parameters.
        headers: headers, names in any spelling.
        explain: True for an explanation: a prediction with a heatmap, by default gradcam.

    Raises:
        ProblemError: if the request has no image, or an option is unknown or invalid.
    """
    coding = _header(headers, "content-encoding").strip().lower()
    if coding not in ("", "identity"):
        raise _problem(
            "unsupported-media-type",
            f"the content encoding {abbreviate(coding)} is not supported; send plain bytes",
        )
    image, content_type, options = _split(fields, headers)
    if not (content_type in UNNAMED or content_type.startswith("image/")):
        raise _problem(
            "unsupported-media-type", f"the content type {abbreviate(content_type)} is not an image type; {_HOW}"
        )
    if not image:
        raise _problem("malformed-request", f"the image is empty; {_HOW}")
    unknown = [name for name in options if name not in _NAMES][:MAX_ERRORS]
    if unknown:
        detail = f"unknown option; the options are {', '.join(_NAMES)}"
        raise invalid_fields(*(FieldError(path=json_pointer(_short(name)), detail=detail) for name in unknown))
    if explain and options.setdefault("heatmap", "gradcam") == "none":
        detail = "must be activation, gradcam or contrast in an explanation; for none use /predictions/pets"
        raise invalid_field("heatmap", value="none", detail=detail)
    try:
        return PetRequest.model_validate({**options, "image": image, "content_type": content_type or None})
    except ValidationError as error:
        raise ProblemError(validation_problem(error)) from None


def _split(fields: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[bytes, str, dict[str, Any]]:
    """Return the request's image, its content type and the options."""
    header = _header(headers, "content-type")
    kind = header.partition(";")[0].strip().lower()
    body = _as_bytes(fields.get("body"))
    others = {name: _as_bytes(value) for name, value in fields.items() if name != "body"}
    if kind == FORM or (kind == URLENCODED and "body" not in fields):
        form = {name: Part(value, "") for name, value in others.items()}
        return _from_form(form | _form(body, header) if "body" in fields else form)
    if kind == JSON or (kind in ("", URLENCODED) and body.lstrip().startswith(b"{")):  # no image begins so
        image, content_type, options = _from_json(body)
        return image, content_type, _texts(others) | options
    return body, "" if kind == URLENCODED else kind, _texts(others)  # curl sends every body as URLENCODED


def _form(body: bytes, header: str) -> dict[str, Part]:
    try:
        return parse_form(body, header)
    except ValueError as error:
        raise _problem("malformed-request", str(error)) from None


def _from_form(form: dict[str, Part]) -> tuple[bytes, str, dict[str, Any]]:
    if "image" not in form:
        names = ", ".join(ascii(_short(name)) for name in [*form][:3]) or "none"
        raise _problem("malformed-request", f"the form has no field image; its fields: {names}; {_HOW}")
    image = form.pop("image")
    return *image, _texts({name: part.content for name, part in form.items()})


def _from_json(body: bytes) -> tuple[bytes, str, dict[str, Any]]:
    content = parse_json(body)
    if not isinstance(content, dict) or content.get("image") is None:
        raise _problem("malformed-request", f"the JSON is not an object with a field image; {_HOW}")
    image, content_type = _from_base64(content.pop("image"))
    return image, content_type, content


def _from_base64(text: Any) -> tuple[bytes, str]:
    """Return an image's bytes, and its content type if it is a data URL."""
    if not isinstance(text, str):
        raise invalid_field("image", value=text, detail="must be a string: the photo's file in base64")
    content_type = ""
    if text[:5].lower() == "data:":
        url = _DATA_URL.match(text)
        if url is None:
            detail = "a data URL must begin like data:image/jpeg;base64,"
            raise invalid_field("image", value=text, detail=detail)
        content_type, text = url["type"].lower(), text[url.end() :]
    try:
        return binascii.a2b_base64(text, strict_mode=True), content_type
    except ValueError as error:
        detail = f"must be base64 in the standard alphabet, with padding and without line breaks ({error})"
        raise invalid_field("image", value=text, detail=detail) from None


def _texts(options: Mapping[str, bytes]) -> dict[str, Any]:
    """Decode the options of a form or a query. Empty ones are left out: a browser sends all fields of a form."""
    texts: dict[str, Any] = {}
    for name, value in options.items():
        try:
            text = value.decode()
        except UnicodeDecodeError:
            escaped = repr(value[:MAX_NAME])[2:-1]
            raise invalid_field(_short(name), value=escaped, detail="must be text in UTF-8") from None
        if text or name not in _NAMES:
            is_number = name == "top_k" and len(text) < 10 and text.isascii() and text.isdigit()
            texts[name] = int(text) if is_number else text
    return texts


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _as_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[:MAX_NAME] + "..."


def _problem(kind: ProblemName, detail: str) -> ProblemError:
    return ProblemError(Problem.of(kind, detail))
