"""Computation over many rows, a chunk at a time."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np

CHUNK: Final = 8192  # rows

Arrays = TypeVar("Arrays", bound=tuple[Any, ...])


def in_chunks(compute: Callable[[slice], Arrays], rows: int) -> Arrays:
    """Call ``compute`` for chunks of the rows, so that its intermediate arrays stay in the processor's cache.

    Args:
        compute: function of a slice of rows; returns a named tuple of arrays whose first axis is the row.
        rows: number of rows.

    Returns:
        The named tuple for all rows.
    """
    if rows <= CHUNK:
        return compute(slice(None))
    result: Any = None
    for start in range(0, rows, CHUNK):
        chunk = slice(start, start + CHUNK)
        parts: Any = compute(chunk)
        if result is None:
            result = type(parts)(*(np.empty((rows, *part.shape[1:]), part.dtype) for part in parts))
        for out, part in zip(result, parts, strict=True):
            out[chunk] = part
    return result  # type: ignore[no-any-return]
