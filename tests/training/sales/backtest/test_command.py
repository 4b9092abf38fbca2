"""Commands that judge the sales model: `shopcat backtest`, and a training that must beat the baselines."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main

QUICK = ("--epochs", "1", "--layers", "16,8", "--batch-size", "1024", "--trees", "20", "--calibration-windows", "2")


def shopcat(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.integration
def test_training_prints_both_baselines_and_can_require_to_beat_them(demo_folder: Path, tmp_path: Path) -> None:
    """One epoch of a small network is not enough to beat a mean."""
    command = ("train", "sales", demo_folder, "--out", tmp_path / "sales", *QUICK)
    required = shopcat(*command, "--require-better-than-baseline")
    assert required.exit_code == 2
    assert required.output.splitlines()[-1].startswith("Error: the model is not better than ")
    assert "the weekday-and-promotion mean (RMSPE " in required.output
    assert "no bundle was written" in required.output
    assert not (tmp_path / "sales").exists()
    result = shopcat(*command)
    assert result.exit_code == 0, result.output
    assert "\nweekday-and-promotion mean, the same rows: RMSPE 0." in result.output
    assert "\nlast year's same weekday, " in result.output


@pytest.mark.integration
def test_a_backtest_prints_its_means_and_writes_a_report(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cutoffs = "2015-05-17,2014-11-30"
    command = ("backtest", demo_folder, "--out", out, "--cutoffs", cutoffs, "--days", "14", "--jobs", "1", *QUICK)
    result = shopcat(*command, "--baselines", "weekday-promotion,ridge")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split("  ")[0] for line in lines[-5:-2]] == ["model", "weekday-and-promotion mean", "ridge regression"]
    assert lines[-2] == "2 windows of 14 days after 2014-11-30, 2015-05-17"
    summary = json.loads((out / "figures.json").read_text())["summary"]
    assert f"{summary[0]['rmspe']['mean']:.4f}" in lines[-5]


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (("--cutoffs", "soon"), "'soon' is not a comma-separated list of dates, like 2015-01-31"),
        (("--cutoffs", "2015-07-30"), "cutoffs can lie from"),
        (("--windows", "999"), "Give fewer --windows"),
        (("--baselines", "prophet"), "no baseline is called prophet"),
        (("--windows", "0"), "windows"),
        (("--out", "/proc/backtest"), "/proc/backtest can't be written"),
    ],
)
def test_a_backtest_without_room_is_rejected_before_the_work(
    demo_folder: Path, tmp_path: Path, option: tuple[str, ...], named: str
) -> None:
    result = shopcat("backtest", demo_folder, "--out", tmp_path / "out", *option)
    assert result.exit_code == 2, result.output
    assert named in result.output
    assert not [*tmp_path.iterdir()]
