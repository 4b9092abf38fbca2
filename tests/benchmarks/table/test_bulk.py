"""benchmarks.table.bulk: the figures of a small file, with a stand-in for fastai."""

from pathlib import Path

import pytest

pytest.importorskip("threadpoolctl", reason="the extra bench is not installed")

from benchmarks.table import bulk


def test_every_figure_of_a_round_is_measured(
    demo_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "N_ROWS", 1)
    monkeypatch.setattr(bulk.machine, "limits", lambda: {"matrix product, GFLOP/s": 1.0})
    work = bulk._Work(demo_bundle, tmp_path)
    figures = work.measure(lambda size: {"all": size / 64, "one": 0.5})
    assert all(figure > 0 for figure in figures.values())
    assert (figures["fastai 64"], figures["fastai one"]) == (work.n_rows, 2)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == work.n_rows + 1
