"""Parse multipart forms: bytes in, fields out.

The standard library has only the parser in `email`, which would read a photo of several megabytes line by line.
"""

from email.message import Message
from email.parser import HeaderParser
from typing import NamedTuple

MAX_PARTS = 32
MAX_HEAD = 4096  # bytes of a part's headers

_PARSER = HeaderParser()
_PLAIN = ("binary", "8bit", "7bit")  # transfer encodings that leave the bytes unchanged


class Part(NamedTuple):
    """A field of a form.

    Attributes:
        content: the field's bytes.
        content_type: the sender's content type, in lower case and without parameters; empty if there is none.
    """

    content: bytes
    content_type: str


def parse_form(body: bytes, content_type: str) -> dict[str, Part]:
    """Return the fields of a form by name.

    Args:
        body: the request's body.
        content_type: the request's Content-Type header, which names the boundary between the parts.

    Raises:
        ValueError: if the body is not a form, is cut off, has a field twice or more than `MAX_PARTS` fields. The
            message is for the client.
    """
    header = Message()
    header["content-type"] = content_type
    boundary = str(header.get_param("boundary") or "")
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise ValueError("the header Content-Type has no boundary; let your HTTP library write that header")
    delimiter = b"\r\n--" + boundary.encode()
    _, *parts = (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)  # the text before the first boundary has no meaning
    fields: dict[str, Part] = {}
    for part in parts:
        if part.startswith(b"--"):
            return fields
        if len(fields) == MAX_PARTS:
            raise ValueError(f"the form has more than {MAX_PARTS} fields")
        name, field = _parse_part(part)
        if name in fields:
            raise ValueError(f"the form has the field {name[:60]!a} twice")
        fields[name] = field
    raise ValueError("the form is cut off: its last boundary is missing")


def _parse_part(part: bytes) -> tuple[str, Part]:
    """Return a part's name and field. The part begins with the rest of its boundary's line."""
    rest, line, part = part.partition(b"\r\n")
    head, end, content = part.partition(b"\r\n\r\n")
    if rest.strip(b" \t") or not line or not end or len(head) > MAX_HEAD:
        raise ValueError(f"a field of the form has no headers, or more than {MAX_HEAD:,} bytes of them")
    headers = _PARSER.parsestr(head.decode("utf-8", "replace"))
    name = headers.get_param("name", header="content-disposition")
    if headers.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise ValueError('a field of the form has no name; send Content-Disposition: form-data; name="image"')
    if (coding := str(headers.get("content-transfer-encoding", "binary")).strip().lower()) not in _PLAIN:
        raise ValueError(f"the form's field {name[:60]!a} is encoded as {coding[:60]!a}; send its bytes unchanged")
    return name, Part(content, headers.get_content_type() if "content-type" in headers else "")
