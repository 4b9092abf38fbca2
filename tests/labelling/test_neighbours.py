"""Nearest neighbours against scikit-learn, with ties, copies and awkward sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from labelling import neighbours
from labelling.neighbours import nearest


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_neighbours_are_those_of_scikit_learn(dtype):
    random = np.random.default_rng(0)
    rows, queries = random.normal(size=(700, 40)).astype(dtype), random.normal(size=(30, 40)).astype(dtype)
    found = nearest(queries, rows, 12)
    exact = NearestNeighbors(n_neighbors=12, algorithm="brute").fit(rows.astype(np.float64))
    distances, indices = exact.kneighbors(queries.astype(np.float64))
    assert found.indices.dtype == np.int64
    assert found.distances.dtype == np.float32
    assert np.array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 5), st.integers(0, 70), st.integers(1, 400), st.booleans(), st.integers(0, 99)
)
def test_ties_are_broken_by_index_in_blocks_of_any_size(n, dimensions, count, block, exclude_self, seed):
    rows = np.random.default_rng(seed).integers(0, 3, (n, dimensions)).astype(np.float32) + 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "BLOCK", block)
        found = nearest(rows, rows, count, exclude_self=exclude_self)
    for query in range(n):
        squares = ((rows - rows[query]) ** 2).sum(axis=1)
        order = sorted((squares[row], row) for row in range(n) if not (exclude_self and row == query))[:count]
        assert found.indices[query].tolist() == [row for _, row in order]
        np.testing.assert_allclose(found.distances[query], np.sqrt([square for square, _ in order]), rtol=1e-6)


def test_a_copy_has_distance_zero_however_long_the_rows_are():
    rows = np.random.default_rng(1).normal(loc=50, size=(200, 256)).astype(np.float32)
    rows[150] = rows[3]
    found = nearest(rows, rows, 1, exclude_self=True)
    assert found.indices[3, 0] == 150
    assert found.indices[150, 0] == 3
    assert found.distances[3, 0] == found.distances[150, 0] == 0


def test_a_query_alone_finds_the_same_as_in_a_group():
    rows = np.random.default_rng(2).normal(size=(3000, 64)).astype(np.float32)
    together = nearest(rows[:40], rows, 10)
    for query in range(40):
        alone = nearest(rows[query : query + 1], rows, 10)
        assert np.array_equal(alone.indices[0], together.indices[query])
        assert np.array_equal(alone.distances[0], together.distances[query])


def test_distances_of_rows_of_length_one_give_cosines():
    rows = np.random.default_rng(3).normal(size=(50, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found = nearest(rows, rows, 5)
    cosines = np.take_along_axis(rows @ rows.T, found.indices, axis=1)
    np.testing.assert_allclose(1 - found.distances**2 / 2, cosines, atol=1e-6)


@pytest.mark.parametrize(("n", "exclude_self", "columns"), [(1, True, 0), (1, False, 1), (3, True, 2), (3, False, 3)])
def test_few_rows_give_few_neighbours(n, exclude_self, columns):
    rows = np.zeros((n, 4), np.float32)
    found = nearest(rows, rows, 10, exclude_self=exclude_self)
    assert found.indices.shape == found.distances.shape == (n, columns)


def test_no_queries_and_no_rows_are_no_error():
    some, none = np.ones((2, 3), np.float32), np.empty((0, 3), np.float32)
    assert nearest(none, some, 2).indices.shape == (0, 2)
    assert nearest(some, none, 2).indices.shape == (2, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_values_that_are_not_finite_are_rejected(value):
    rows = np.ones((4, 3), np.float32)
    bad = rows.copy()
    bad[2, 1] = value
    for queries, among in ((rows, bad), (bad, rows)):
        with pytest.raises(ValueError, match="must be finite"), np.errstate(over="ignore"):
            nearest(queries, among, 2)


def test_tables_that_do_not_fit_are_rejected():
    with pytest.raises(ValueError, match=r"\(2, 3\) and rows \(2, 4\)"):
        nearest(np.ones((2, 3)), np.ones((2, 4)), 1)
    with pytest.raises(ValueError, match="2 queries for 5 rows"):
        nearest(np.ones((2, 3)), np.ones((5, 3)), 1, exclude_self=True)
