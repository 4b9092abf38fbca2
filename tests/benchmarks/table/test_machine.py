"""benchmarks.table.machine: the limits of the machine."""

import pytest

pytest.importorskip("threadpoolctl", reason="the extra bench is not installed")

from benchmarks.table import machine


def test_matrix_products_count_two_operations_for_each_weight() -> None:
    assert machine.operations([10, 7, 4, 1]) == 2 * (10 * 7 + 7 * 4 + 4)
