"""Free text that people write: stored as it is, and only ever shown as text."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

MAX_TEXT = 500  # characters


def checked_text(text: str) -> str:
    """Return a text; reject characters that a reader can't see, but for line breaks.

    They are control characters, and format characters such as those that turn the direction of writing, which can make
    a text look like another one. Joiners stay, because scripts and emoji need them.
    """
    for character in text:
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
        if hidden and character not in "\n\r\t\u200c\u200d":
            raise ValueError(f"must have no hidden characters; it has U+{ord(character):04X}")
    return text


Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_TEXT), AfterValidator(checked_text)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT), AfterValidator(checked_text)
]
