"""Parse a request for ``/predictions/pets`` or ``/explanations/pets``."""

import binascii
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.pets.multipart import Part, read_form
from schemas.pets.request import MAX_NAME, Options, PetRequest
from schemas.problems import (
    MAX_ERRORS,
    FieldError,
    Kind,
    Problem,
    ProblemError,
    invalid,
    pointer,
    shown,
    wrong_field,
    wrong_fields,
)

JSON = "application/json"
FORM = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
UNNAMED = ("", "application/octet-stream")  # content types of a sender that leaves it to us to find out

_HOW = (
    "send the photo's file with its content type (curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg), as the "
    "field image of a form (curl -F image=@photo.jpg), or as the field image of a JSON object, in base64"
)
_DATA_URL = re.compile(r"data:(?P<type>[\w.+/-]*)(?:;[\w.+-]+=[^;,]{0,60}){0,4};base64,", re.ASCII | re.IGNORECASE)
_NAMES = tuple(field.alias or name for name, field in Options.model_fields.items())


def parse_request(fields: Mapping[str, Any], headers: Mapping[str, Any], *, explain: bool = False) -> PetRequest:
    """Read a request in any of its forms.

    Args:
        fields: as TorchServe gives them, bytes or text: the ``body``, or a form's fields if TorchServe has read it; the
            query's parameters beside.
        headers: as the client spelt them; TorchServe adds a mapping with its own ``content-type`` for each field.
        explain: whether it asks for an explanation: a prediction with a heatmap, gradcam if it names none.

    Raises:
        ProblemError: if it has no image, or if an option is unknown or wrong. The image is not opened here.
    """
    coding = _header(headers, "content-encoding").strip().lower()
    if coding not in ("", "identity"):
        raise _problem("unsupported-media-type", f"the content encoding {shown(coding)} is not read; send it as it is")
    image, content_type, options = _read(fields, headers)
    if not (content_type in UNNAMED or content_type.startswith("image/")):
        raise _problem("unsupported-media-type", f"the content type {shown(content_type)} is not an image's; {_HOW}")
    if not image:
        raise _problem("malformed-request", f"the image is empty: it has no bytes; {_HOW}")
    unknown = [name for name in options if name not in _NAMES][:MAX_ERRORS]
    if unknown:
        detail = f"not an option; the options are {', '.join(_NAMES)}"
        raise wrong_fields(*(FieldError(path=pointer(_short(name)), detail=detail) for name in unknown))
    if explain and options.setdefault("heatmap", "gradcam") == "none":
        detail = "an explanation is a heatmap: activation, gradcam or contrast; for none ask /predictions/pets"
        raise wrong_field("heatmap", value="none", detail=detail)
    try:
        return PetRequest.model_validate({**options, "image": image, "content_type": content_type or None})
    except ValidationError as error:
        raise ProblemError(invalid(error)) from None


def _read(fields: Mapping[str, Any], headers: Mapping[str, Any]) -> tuple[bytes, str, dict[str, Any]]:
    """A request's image, what the sender calls it, and the options."""
    header = _header(headers, "content-type")
    kind = header.partition(";")[0].strip().lower()
    body = _as_bytes(fields.get("body"))
    others = {name: _as_bytes(value) for name, value in fields.items() if name != "body"}
    if kind == FORM or (kind == URLENCODED and "body" not in fields):
        form = {name: Part(value, _type_of(name, headers)) for name, value in others.items()}
        return _from_form(form | _form(body, header) if "body" in fields else form)
    if kind == JSON or (kind in ("", URLENCODED) and body.lstrip().startswith(b"{")):  # as no image does
        image, content_type, options = _from_json(body)
        return image, content_type, _texts(others) | options
    return body, "" if kind == URLENCODED else kind, _texts(others)  # curl calls everything URLENCODED


def _form(body: bytes, header: str) -> dict[str, Part]:
    try:
        return read_form(body, header)
    except ValueError as error:
        raise _problem("malformed-request", str(error)) from None


def _from_form(form: dict[str, Part]) -> tuple[bytes, str, dict[str, Any]]:
    if "image" not in form:
        has = ", ".join(ascii(_short(name)) for name in [*form][:3]) or "none"
        raise _problem("malformed-request", f"the form has no field image; its fields: {has}; {_HOW}")
    image = form.pop("image")
    return *image, _texts({name: part.content for name, part in form.items()})


def _from_json(body: bytes) -> tuple[bytes, str, dict[str, Any]]:
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise _problem("malformed-request", f"the body is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("image") is None:
        raise _problem("malformed-request", f"the JSON is no object with a field image; {_HOW}")
    image, content_type = _from_base64(content.pop("image"))
    return image, content_type, content


def _from_base64(text: Any) -> tuple[bytes, str]:
    """An image's bytes, and what a data URL calls them."""
    if not isinstance(text, str):
        raise wrong_field("image", value=text, detail="must be a string, the photo's file in base64")
    content_type = ""
    if text[:5].lower() == "data:":
        url = _DATA_URL.match(text)
        if url is None:
            detail = "must begin like data:image/jpeg;base64, if it is a data URL"
            raise wrong_field("image", value=text, detail=detail)
        content_type, text = url["type"].lower(), text[url.end() :]
    try:
        return binascii.a2b_base64(text, strict_mode=True), content_type
    except ValueError as error:
        detail = f"not base64 of the plain alphabet, padded and without line breaks ({error})"
        raise wrong_field("image", value=text, detail=detail) from None


def _texts(options: Mapping[str, bytes]) -> dict[str, Any]:
    """The options of a form or a query: text; a browser sends those that nobody filled in as well, empty."""
    texts: dict[str, Any] = {}
    for name, value in options.items():
        try:
            text = value.decode()
        except UnicodeDecodeError:
            sent = repr(value[:MAX_NAME])[2:-1]
            raise wrong_field(_short(name), value=sent, detail="must be text in UTF-8") from None
        if text or name not in _NAMES:
            number = name == "top_k" and len(text) < 10 and text.isascii() and text.isdigit()
            texts[name] = int(text) if number else text
    return texts


def _header(headers: Mapping[str, Any], name: str) -> str:
    """A request's header; a field of a form that has its name does not count."""
    return next((value for key, value in headers.items() if key.lower() == name and isinstance(value, str)), "")


def _type_of(field: str, headers: Mapping[str, Any]) -> str:
    """The content type of a form's field that TorchServe has read."""
    own = headers.get(field)
    return str(own.get("content-type", "")).partition(";")[0].strip().lower() if isinstance(own, Mapping) else ""


def _as_bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value or b"")


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[:MAX_NAME] + "..."


def _problem(kind: Kind, detail: str) -> ProblemError:
    return ProblemError(Problem.of(kind, detail))
