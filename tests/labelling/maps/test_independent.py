"""FastICA against scikit-learn and against known sources."""

import numpy as np
import pytest
from sklearn.decomposition import PCA, FastICA

from labelling.maps.independent import independent


def sources(n, seed=0):
    """Return columns of known, independent distributions that are not normal, with variance 1."""
    random = np.random.default_rng(seed)
    columns = [random.choice([-1, 1], n) + 0.1 * random.normal(size=n), random.laplace(size=n)]
    columns += [random.uniform(size=n), random.exponential(size=n), random.normal(size=n) ** 3]
    table = np.stack(columns, axis=1)
    return (table - table.mean(axis=0)) / table.std(axis=0)


def mixed(table, seed=1):
    """Mix the columns so that the first two explain most variance, and return principal components."""
    matrix = np.random.default_rng(seed).normal(size=(table.shape[1], table.shape[1]))
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return PCA().fit_transform(table @ (matrix * np.array([[3], [2], [1], [1], [1]])))


def matches(first, second):
    """Return absolute correlations, (columns of first, columns of second)."""
    return np.abs(np.corrcoef(first.T, second.T)[: first.shape[1], first.shape[1] :])


def test_the_sources_that_explain_most_variance_are_found_in_order():
    table = sources(3000)
    assert (np.diag(matches(independent(mixed(table)), table[:, :2])) > 0.99).all()


def test_components_are_among_those_of_scikit_learn():
    rows = mixed(sources(3000))
    reference = FastICA(whiten="unit-variance", fun="logcosh", random_state=0).fit_transform(rows)
    assert (matches(independent(rows), reference).max(axis=1) > 0.999).all()


def test_the_map_is_deterministic_and_centred_with_variance_one():
    rows = mixed(sources(500))
    first = independent(rows)
    assert np.array_equal(first, independent(rows))
    np.testing.assert_allclose(first.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(first.std(axis=0), 1, atol=1e-5)


def test_many_rows_are_estimated_from_a_sample(monkeypatch):
    rows = mixed(sources(4000))
    every_row = independent(rows)
    monkeypatch.setattr("labelling.maps.independent.MOST_ROWS", 1500)
    sampled = independent(rows)
    assert len(sampled) == 4000
    assert (np.diag(matches(sampled, every_row)) > 0.99).all()


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (2, 5), (3, 5), (3, 40), (15, 30), (9, 0), (9, 1)])
@pytest.mark.parametrize("same", [False, True])
def test_few_rows_and_equal_rows_give_a_finite_map(shape, same):
    rows = np.ones(shape) if same else np.random.default_rng(0).normal(size=shape)
    positions = independent(rows)
    assert positions.shape == (shape[0], 2)
    assert np.isfinite(positions).all()


def test_constant_columns_are_left_out():
    rows = mixed(sources(500))
    wider = np.hstack([rows[:, :3], np.ones((500, 2)), rows[:, 3:]])
    assert np.isfinite(independent(wider)).all()
