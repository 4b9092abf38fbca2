"""Principal components as maps."""

import numpy as np
import pytest

from labelling.maps.components import principal


def test_two_components_are_shown_as_they_are():
    rows = np.random.default_rng(0).normal(size=(9, 6)).astype(np.float16)
    assert np.array_equal(principal(rows), rows[:, :2].astype(np.float32))
    assert np.array_equal(principal(rows, 2), rows[:, 2:4].astype(np.float32))


@pytest.mark.parametrize(("columns", "first", "kept"), [(1, 0, 1), (3, 2, 1), (2, 2, 0), (0, 0, 0)])
def test_components_that_are_missing_are_zero(columns, first, kept):
    positions = principal(np.ones((4, columns)), first)
    assert positions.tolist() == [[1.0] * kept + [0.0] * (2 - kept)] * 4


def test_a_row_that_is_not_finite_is_named():
    rows = np.ones((5, 4))
    rows[3, 2] = np.nan
    with pytest.raises(ValueError, match="row 3"):
        principal(rows)
