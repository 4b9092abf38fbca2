"""Exact nearest neighbours by blocks of matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 4_000_000  # distances of one block: 16 MB in float32, which stays near the cache


@dataclass(frozen=True)
class Neighbours:
    """Nearest rows of each query, nearest first."""

    indices: NDArray[np.int64]  # (queries, count)
    distances: NDArray[np.float32]  # (queries, count), Euclidean


def nearest(
    queries: NDArray[np.floating], rows: NDArray[np.floating], count: int, *, exclude_self: bool = False
) -> Neighbours:
    """Find the `count` rows nearest to each query, by Euclidean distance. Among equal distances the lower index wins.

    The result does not depend on how the queries are grouped. For rows of length 1, the cosine is 1 - distance² / 2.

    Args:
        queries: points to search from, (q, dimensions).
        rows: points to search among, (n, dimensions).
        count: neighbours of each query. If there are fewer rows, the result has fewer columns.
        exclude_self: `queries` are `rows`, and no row is its own neighbour. An equal row with another index is one.

    Raises:
        ValueError: the shapes do not fit, or a value is not finite.
    """
    if queries.ndim != 2 or rows.ndim != 2 or queries.shape[1] != rows.shape[1]:
        raise ValueError(f"queries {queries.shape} and rows {rows.shape} must be tables with as many columns each")
    if exclude_self and len(queries) != len(rows):
        raise ValueError(f"exclude_self needs the rows as queries, not {len(queries)} queries for {len(rows)} rows")
    count = max(0, min(count, len(rows) - exclude_self))
    dtype = np.result_type(queries.dtype, rows.dtype, np.float32)
    queries, rows = np.asarray(queries, dtype), np.asarray(rows, dtype)
    squares = np.einsum("ij,ij->i", rows, rows)
    largest = np.sqrt(squares.max(initial=0))
    lengths = np.sqrt(np.einsum("ij,ij->i", queries, queries))
    if not np.isfinite(largest) or not np.isfinite(lengths).all():
        raise ValueError("queries and rows must be finite: a value is not a number, infinite, or its square overflows")
    # Rounding of a product of `dimensions` terms moves a squared distance by less than this.
    rounding = (rows.shape[1] + 4) * np.finfo(dtype).eps * largest * (largest + 2 * lengths)
    indices = np.empty((len(queries), count), np.int64)
    distances = np.empty((len(queries), count), np.float32)
    step = max(1, BLOCK // max(1, len(rows)))
    for start in range(0, len(queries) if count else 0, step):
        part = slice(start, start + step)
        scores = queries[part] @ rows.T
        scores *= -2
        scores += squares  # squared distance less the squared length of the query
        if exclude_self:
            scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = np.inf
        limit = np.partition(scores, count - 1, axis=1)[:, count - 1] + 2 * rounding[part]
        indices[part], distances[part] = _sorted_candidates(queries[part], rows, scores <= limit[:, None], count)
    return Neighbours(indices, distances)


def _sorted_candidates(
    queries: NDArray[np.floating], rows: NDArray[np.floating], candidates: NDArray[np.bool_], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Measure the candidates again by differences, which do not cancel, and return the `count` nearest in order."""
    query, row = np.nonzero(candidates)
    distance = np.empty(len(query))
    step = max(1, BLOCK // max(1, rows.shape[1]))
    for start in range(0, len(query), step):
        part = slice(start, start + step)
        difference = np.subtract(queries[query[part]], rows[row[part]], dtype=np.float64)
        distance[part] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    order = np.lexsort((distance, query))  # stable, so that ties stay in the order of rows
    ends = np.cumsum(np.count_nonzero(candidates, axis=1))
    first = np.concatenate(([0], ends[:-1]))
    taken = order[first[:, None] + np.arange(count)]
    return row[taken], distance[taken]
