"""The benchmark of maps: rows are mixed from photos, and packages may be missing."""

import importlib

import numpy as np

from benchmarks.labelling.maps import mixed, packages


def test_rows_beyond_the_photos_lie_between_two_photos():
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    assert np.array_equal(mixed(rows, 20), rows[:20])
    more = mixed(rows, 100)
    assert more.shape == (100, 4)
    assert np.array_equal(more[:30], rows)
    assert (more[30:] >= rows.min(axis=0) - 1e-6).all()
    assert (more[30:] <= rows.max(axis=0) + 1e-6).all()
    assert len(np.unique(more, axis=0)) > 90


def test_packages_that_are_not_installed_are_left_out(monkeypatch, capsys):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert packages() == []
    assert "pacmap is not installed" in capsys.readouterr().out
