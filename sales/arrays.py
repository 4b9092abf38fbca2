"""Array types, named by their elements, and computation over many rows, a chunk at a time.

Docstrings state the shapes, such as ``[store, day]``.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
UInt8 = NDArray[np.uint8]
Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Integers = NDArray[np.integer]  # of any size
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
AnyArray = NDArray[np.generic]

CHUNK: Final = 8192  # rows
BLOCK: Final = 64  # stores, whose days stay in the processor's cache and take little memory

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
