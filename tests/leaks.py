"""Patterns that no answer may contain: stack traces, paths, libraries and versions."""

import re

_INSIDE = re.compile(
    r"""
    Traceback | File\ " | line\ \d+,\ in | \.py\b | \.so\b | site-packages | 0x[0-9a-f]{6,}      # stack traces
    | (?<![\w.<])/(?:home|root|tmp|usr|var|opt|etc|proc|srv|mnt|work|lib)/                       # paths
    | pydantic | numpy | onnx | Pillow | \bPIL\b | torch | netty | java\. | org\.pytorch          # libraries
    """,
    re.VERBOSE | re.IGNORECASE,
)


def leak(body: str) -> str | None:
    """The first thing in an answer's body that is nobody else's business, with what is around it."""
    found = _INSIDE.search(body)
    return None if found is None else body[max(0, found.start() - 60) : found.end() + 60]
