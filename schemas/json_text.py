"""Parsing of a request's JSON text, whose number of values is limited before any object is built."""

from typing import Any

from pydantic_core import from_json

from schemas.problems import Problem, ProblemError

# Values in a JSON text, which commas and brackets bound. A list of 1,000 items with twenty fields each has 20,000.
# why: 10 MB of empty lists took 256 MB and 0.8 s to parse, and now take 4 ms (tests/schemas/test_json_text.py).
MAX_VALUES = 100_000


def parse_json(body: bytes | bytearray) -> Any:
    """Return the value of a JSON text.

    Raises:
        ProblemError: too-large if the text may have more than MAX_VALUES values; malformed-request if it is not JSON.
    """
    # Only a longer text can have more values.
    if len(body) > MAX_VALUES and (count := sum(map(body.count, (b",", b"[", b"{")))) > MAX_VALUES:
        detail = f"the body has about {count:,} JSON values; at most {MAX_VALUES:,} are allowed: send fewer at a time"
        raise ProblemError(Problem.of("too-large", detail))
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ProblemError(Problem.of("malformed-request", f"the body is not JSON: {error}")) from None
