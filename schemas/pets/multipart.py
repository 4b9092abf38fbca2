"""Forms with files (RFC 7578), as browsers, curl and HTTP libraries send them: bytes in, fields out.

The standard library has none but `email`'s, which would go through a photo of some megabytes line by line.
"""

from email.message import Message
from email.parser import HeaderParser
from typing import NamedTuple

MAX_PARTS = 32
MAX_HEAD = 4096  # bytes of a part's headers

_PARSER = HeaderParser()
_PLAIN = ("binary", "8bit", "7bit")  # the transfer encodings that are none


class Part(NamedTuple):
    """A field of a form.

    Attributes:
        content: as it was sent.
        content_type: what the sender calls it, in lower case and without parameters; empty if it does not say.
    """

    content: bytes
    content_type: str


def read_form(body: bytes, content_type: str) -> dict[str, Part]:
    """The fields of a form by their names.

    Args:
        body: what the client sent.
        content_type: the request's header, which has the boundary between the parts.

    Raises:
        ValueError: if it is not such a form, is cut off, has a field twice or more than `MAX_PARTS`; in words for the
            client.
    """
    header = Message()
    header["content-type"] = content_type
    boundary = str(header.get_param("boundary") or "")
    if not 1 <= len(boundary) <= 70 or not boundary.isascii():
        raise ValueError("the header Content-Type has no boundary; let your HTTP library write that header")
    delimiter = b"\r\n--" + boundary.encode()
    _, *parts = (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)  # before the first is nothing that counts
    fields: dict[str, Part] = {}
    for part in parts:
        if part.startswith(b"--"):
            return fields
        if len(fields) == MAX_PARTS:
            raise ValueError(f"the form has more than {MAX_PARTS} fields")
        name, field = _read_part(part)
        if name in fields:
            raise ValueError(f"the form has the field {name[:60]!a} twice")
        fields[name] = field
    raise ValueError("the form is cut off: its last boundary is missing")


def _read_part(part: bytes) -> tuple[str, Part]:
    """A part's name and content; it begins with the rest of the line that has the boundary."""
    rest, line, part = part.partition(b"\r\n")
    head, end, content = part.partition(b"\r\n\r\n")
    if rest.strip(b" \t") or not line or not end or len(head) > MAX_HEAD:
        raise ValueError("a field of the form has no headers, or longer ones than any client sends")
    headers = _PARSER.parsestr(head.decode("utf-8", "replace"))
    name = headers.get_param("name", header="content-disposition")
    if headers.get_content_disposition() != "form-data" or not isinstance(name, str) or not name:
        raise ValueError('a field of the form has no name: its header is Content-Disposition: form-data; name="image"')
    if (coding := str(headers.get("content-transfer-encoding", "binary")).strip().lower()) not in _PLAIN:
        raise ValueError(f"the form's field {name[:60]!a} is encoded as {coding[:60]!a}; send it as it is")
    return name, Part(content, headers.get_content_type() if "content-type" in headers else "")
