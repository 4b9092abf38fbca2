"""Commands: `shopcat update`, and the Prometheus gauges of `shopcat evaluate`."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cli import main
from sales import bundle as bundles
from tests.training.sales.small import SMALL
from training.run import Run
from training.sales.data.tables import read_tables
from training.sales.fits.windows import tables_until
from training.sales.options import Options
from training.sales.train import train
from training.sales.update import update as updates

CUTOFF = np.datetime64("2015-06-12")


@pytest.fixture(scope="module")
def old(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("old") / "sales"
    tables = tables_until(read_tables(demo_folder), CUTOFF, CUTOFF + 49)
    train(tables, out, Options.of(**{**SMALL, "epochs": 1}), Run("sales", progress=False))
    return out


def shopcat(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_an_update_says_what_it_found(demo_folder: Path, old: Path, tmp_path: Path) -> None:
    result = shopcat("update", old, demo_folder, "--out", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "sales up to 2015-07-31, 49 days more" in result.output
    assert "since the training, 2015-06-13 to 2015-07-31" in result.output
    assert "80 % intervals covered" in result.output
    assert "WARNING: the model is not better than the weekday-and-promotion mean" in result.output, "one epoch"
    assert result.output.splitlines()[-1] == "it is time to train again: shopcat train sales"
    card = " ".join((tmp_path / "new" / "MODEL_CARD.md").read_text().split())
    assert "Updated with sales up to 2015-07-31; the weights were trained on sales up to 2015-06-12" in card
    assert "It is time to train again" in card
    assert shopcat("check", tmp_path / "new").exit_code == 0


def test_an_update_replaces_a_bundle_only_with_force(demo_folder: Path, old: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    assert shopcat("update", old, demo_folder, "--out", out).exit_code == 0
    before = bundles.read_manifest(out).created
    rejected = shopcat("update", old, demo_folder, "--out", out)
    assert rejected.exit_code == 2
    assert "replace it with --force" in rejected.output
    assert bundles.read_manifest(out).created == before
    assert shopcat("update", old, demo_folder, "--out", out, "--force").exit_code == 0


def test_a_bundle_can_be_updated_in_place(demo_folder: Path, old: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "a", tmp_path / "b"
    assert shopcat("update", old, demo_folder, "--out", first).exit_code == 0
    assert shopcat("update", first, demo_folder, "--out", first, "--force").exit_code == 0
    assert shopcat("update", old, demo_folder, "--out", again).exit_code == 0
    assert bundles.read_manifest(first).version == bundles.read_manifest(again).version


def test_an_interrupted_update_leaves_nothing(
    demo_folder: Path, old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(updates, "golden_rows", interrupt)
    result = shopcat("update", old, demo_folder, "--out", tmp_path / "new")
    assert result.exit_code == 130
    assert not [*tmp_path.iterdir()]


def test_an_evaluation_writes_gauges(demo_folder: Path, old: Path, tmp_path: Path) -> None:
    file = tmp_path / "metrics" / "sales.prom"
    result = shopcat("evaluate", old, demo_folder, "--report", tmp_path / "report", "--prometheus", file)
    assert result.exit_code == 0, result.output
    assert f"Prometheus gauges: {file}" in result.output
    assert 'shopcat_sales_interval_coverage{model="sales"' in file.read_text()
    assert "## Intervals" in (tmp_path / "report" / "report.md").read_text()
