"""The demonstration as `make serve` makes it: the default commands, at full size."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def shopcat(*args: object) -> None:
    subprocess.run([sys.executable, "-m", "cli", *map(str, args)], check=True)


def test_it_trains_in_a_minute_and_a_half_and_beats_last_year_by_far(tmp_path: Path) -> None:
    """On weeks that it did not see: less than half the error of the same weekday a year before, by either measure."""
    shopcat("demo", tmp_path / "tables")
    start = time.monotonic()
    shopcat("train", "sales", tmp_path / "tables", "--out", tmp_path / "bundle")
    assert time.monotonic() - start < 90
    manifest = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert manifest["synthetic"]
    ours, naive = manifest["metrics"]["where_last_year_is_known"], manifest["metrics"]["last_year_same_weekday"]
    assert ours["rows"] == naive["rows"] > 1000
    assert ours["rmspe"] < 0.5 * naive["rmspe"]
    assert ours["wape"] < 0.5 * naive["wape"]
    assert "synthetic" in (tmp_path / "bundle" / "MODEL_CARD.md").read_text().lower()
