"""Texts that people type: names of projects and labels, and of those who label."""

import unicodedata

from labelling.projects.errors import ProjectError

MAX_TEXT = 100  # characters


def checked_text(field: str, text: str, *, most: int = MAX_TEXT) -> str:
    """Return a text in its composed form, without spaces around it.

    Args:
        field: name of the field, for the message.
        text: the text.
        most: number of characters at most.

    Raises:
        ProjectError: if it is empty, too long, or has characters that can't be shown.

    >>> checked_text("name", "  cats ")
    'cats'
    """
    result = unicodedata.normalize("NFC", text).strip()
    if not result:
        raise ProjectError(f"{field}: it is empty; write a few letters")
    if len(result) > most:
        raise ProjectError(f"{field}: {result[:20]!r}... has {len(result)} characters; write at most {most}")
    hidden = [character for character in result if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")]
    if hidden:
        raise ProjectError(f"{field}: {result!r} has the character {hidden[0]!r}, which can't be shown; remove it")
    return result
