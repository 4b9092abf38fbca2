"""Many rows, computed a block at a time."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np

BLOCK: Final = 8192  # rows

Arrays = TypeVar("Arrays", bound=tuple[Any, ...])


def in_chunks(compute: Callable[[slice], Arrays], rows: int) -> Arrays:
    """``compute`` for all rows, so that what it makes on the way stays in the processor's cache.

    Args:
        compute: given which rows, a named tuple of arrays whose first axis is the row.
        rows: how many there are.

    Returns:
        The same named tuple for all rows.
    """
    if rows <= BLOCK:
        return compute(slice(None))
    whole: Any = None
    for start in range(0, rows, BLOCK):
        some = slice(start, start + BLOCK)
        parts: Any = compute(some)
        if whole is None:
            whole = type(parts)(*(np.empty((rows, *part.shape[1:]), part.dtype) for part in parts))
        for out, part in zip(whole, parts, strict=True):
            out[some] = part
    return whole  # type: ignore[no-any-return]
