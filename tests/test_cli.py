"""The command line as a user meets it: help, complete runs, and errors."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from cli.common import errors
from runtime.bundle import digest_of
from training.checkpoint_folder import checkpoints
from training.sales.options import Options

ROOT = Path(__file__).parents[1]
QUICK = ("--epochs", "1", "--layers", "16,8", "--batch-size", "1024", "--trees", "20", "--calibration-windows", "2")


def shopcat(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_an_option_can_come_from_the_environment() -> None:
    """As in a container."""
    result = CliRunner(env={"SHOPCAT_SERVE_WORKERS": "many"}).invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "'many' is not a valid integer" in result.output


def test_help_names_every_command() -> None:
    result = shopcat("--help")
    assert result.exit_code == 0
    for command in (
        "demo",
        "train",
        "lr-find",
        "show",
        "backtest",
        "classify",
        "evaluate",
        "forecast",
        "explain",
        "archive",
        "serve",
        "check",
        "fetch",
    ):
        assert f"\n  {command} " in result.output


@pytest.mark.parametrize("command", ["--help", "train sales --help", "lr-find sales --help", "backtest --help"])
def test_help_needs_neither_torch_nor_numpy(command: str) -> None:
    script = (
        "import sys\n"
        "from cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print('imported:', {'torch', 'numpy', 'pandas', 'pydantic'} & {*sys.modules})"
    )
    run = [sys.executable, "-c", script, *command.split()]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.endswith("imported: set()\n")


def test_the_help_shows_the_defaults_of_both_modes() -> None:
    text = " ".join(shopcat("train", "sales", "--help").output.split())
    assert "Number of passes over the training rows. [default: 5, more for few rows; parity: 10]" in text
    assert "--refit / --no-refit" in text


COMMANDS = (
    "backtest|train sales|train pets|lr-find sales|lr-find pets|show augmentations|evaluate|forecast|explain|classify|"
    "archive|check|fetch|demo"
)


@pytest.mark.parametrize("command", COMMANDS.split("|"))
def test_a_command_without_arguments_names_the_missing_one(command: str) -> None:
    result = shopcat(*command.split())
    assert result.exit_code == 2
    assert "Missing argument" in result.output


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("check", "nowhere"), "nowhere is not a folder"),
        (("train", "sales", "nowhere"), "nowhere"),
        (("archive", "nowhere"), "nowhere"),
        (("serve", "nowhere"), "nowhere"),
        (("evaluate", "nowhere", "nowhere"), "nowhere is not a folder"),
    ],
)
def test_a_wrong_path_is_named_in_one_line(
    args: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = shopcat(*args)
    assert result.exit_code == 2
    assert named in result.output
    assert "Traceback" not in result.output


def test_fetch_copies_a_bundle_with_the_digest_alone(tmp_path: Path) -> None:
    target, digest = tmp_path / "sales", digest_of(ROOT / "model_store/demo")
    for wrong, fault in (
        (digest.removeprefix("sha256:"), "is not sha256: and 64"),
        (digest[:-8] + "0" * 8, "not sha256:"),
    ):
        result = shopcat("fetch", ROOT / "model_store/demo", target, "--digest", wrong)
        assert (result.exit_code, fault in result.output, target.exists()) == (2, True, False), result.output
    for words in ("copied from", "there already"):
        result = shopcat("fetch", ROOT / "model_store/demo", target, "--digest", digest)
        assert result.exit_code == 0, result.output
        assert words in result.output
    assert shopcat("check", target, "--device", "cpu").exit_code == 0


FOR_TRAINING = ("torch", "torchvision", "timm", "pandas", "lightgbm", "matplotlib", "tqdm", "onnx", "onnxscript")
ONLY_SERVING = f"""
import sys

sys.modules |= dict.fromkeys({FOR_TRAINING})  # an import of one then fails as if it were not installed

from cli import main

main(sys.argv[1:])
"""


def run_without_training_packages(*args: object) -> subprocess.CompletedProcess[str]:
    """Run a command as in an installation without the packages for training, such as the container image."""
    command = [sys.executable, "-c", ONLY_SERVING, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command",
    [
        "train sales DATA --out OUT",
        "train pets DATA --out OUT",
        "lr-find sales DATA --out OUT",
        "lr-find pets DATA --out OUT",
        "show augmentations DATA --out OUT",
        "demo OUT",
        "evaluate BUNDLE DATA --report OUT --device cpu",
        "evaluate model_store/pets DATA --report OUT --device cpu",
        "forecast BUNDLE DATA/test.csv --out OUT",
    ],
)
def test_a_missing_package_is_named_in_one_line(
    demo_folder: Path, demo_bundle: Path, tmp_path: Path, command: str
) -> None:
    named = {"DATA": demo_folder, "BUNDLE": demo_bundle, "OUT": tmp_path / "out"}
    done = run_without_training_packages(*(re.sub("|".join(named), lambda m: str(named[m[0]]), command).split()))
    assert done.returncode == 2, done.stderr
    needs = f"Error: this command needs ({'|'.join(FOR_TRAINING)}), which is not installed. .*pip install .*\n"
    assert re.fullmatch(needs, done.stderr), done.stderr
    assert not [*tmp_path.iterdir()]


def test_a_missing_module_of_shopcat_keeps_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError), errors():
        import training.nowhere  # type: ignore[import-not-found]  # noqa: F401


def test_check_and_explain_need_no_training_packages(demo_bundle: Path) -> None:
    for args in (("check", demo_bundle), ("check", "model_store/pets"), ("explain", demo_bundle, 3, "2015-08-21")):
        done = run_without_training_packages(*args, "--device", "cpu")
        assert done.returncode == 0, done.stderr


@pytest.mark.integration
def test_from_tables_to_forecasts(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "store" / "sales"
    result = shopcat("train", "sales", demo_folder, "--out", out, *QUICK)
    assert result.exit_code == 0, result.output
    assert "RMSPE" in result.output
    report = tmp_path / "store" / "report" / "sales"
    assert {file.name for file in report.iterdir()} == {
        "report.md", "training.png", "lr_find.png", "forecasts.png", "slices.png"
    }  # fmt: skip
    assert "SYNTHETIC" in shopcat("check", out).output

    kaggle = tmp_path / "submission.csv"
    result = shopcat("forecast", out, demo_folder / "test.csv", "--out", kaggle)
    assert result.exit_code == 0, result.output
    with kaggle.open() as written, (demo_folder / "test.csv").open() as planned:
        rows, plan = list(csv.DictReader(written)), list(csv.DictReader(planned))
    assert list(rows[0]) == ["Id", "Sales"]
    assert [row["Id"] for row in rows] == [row["Id"] for row in plan]
    assert all(float(row["Sales"]) == 0 for row, day in zip(rows, plan, strict=True) if day["Open"] == "0")
    assert all(float(row["Sales"]) > 0 for row, day in zip(rows, plan, strict=True) if day["Open"] == "1")

    again = shopcat("train", "sales", demo_folder, "--out", out, *QUICK)
    assert again.exit_code == 2, "a bundle is not overwritten unasked"
    assert "--force" in again.output


@pytest.mark.parametrize("command", ["train sales", "backtest"])
def test_a_checkpoint_of_other_options_is_rejected_before_the_tables_are_read(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    out = tmp_path / "sales"
    with suppress(InterruptedError), checkpoints(out, options=asdict(Options.of(epochs=7))) as folder:
        (folder / "all.safetensors").touch()
        raise InterruptedError
    monkeypatch.setattr("training.sales.data.tables.read_tables", lambda *_: pytest.fail("the tables are read"))
    result = shopcat(*command.split(), demo_folder, "--out", out, *QUICK)
    assert result.exit_code == 2, result.output
    assert "epochs is 1 here and 7 there" in result.output


def test_evaluate_uses_only_sales_after_the_cutoff(demo_folder: Path, demo_bundle: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert shopcat("train", "sales", demo_folder, "--out", kept, "--no-refit", *QUICK).exit_code == 0
    result = shopcat("evaluate", kept, demo_folder, "--report", tmp_path / "judged")
    assert result.exit_code == 0, result.output
    figures = json.loads((kept / "bundle.json").read_text())["metrics"]
    assert f"RMSPE {figures['rmspe']:.4f}" in result.output, "the same rows give the same figure, whoever asks"

    result = shopcat("evaluate", demo_bundle, demo_folder, "--report", tmp_path / "judged")
    assert result.exit_code == 2
    assert "no sales after 2015-07-31" in result.output


@pytest.mark.integration
def test_lr_find_suggests_a_rate_and_plots_it(demo_folder: Path, tmp_path: Path) -> None:
    plot = tmp_path / "lr.png"
    result = shopcat("lr-find", "sales", demo_folder, "--out", plot, "--layers", "16,8")
    assert result.exit_code == 0, result.output
    assert 1e-5 < float(result.output.split("suggested learning rate: ")[1].split()[0]) < 1
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (("--lr", "nan"), "lr"),
        (("--wd", "inf"), "wd"),
        (("--layers", "0,5", "--ps", "0,0"), "layers"),
        (("--layers", "5,5", "--ps", "2,0"), "ps"),
        (("--seed", "-1"), "seed"),
        (("--name", "Bad Name"), "name 'Bad Name'"),
        (("--report", "/proc/report"), "/proc/report can't be written"),
        (("--out", "/proc/bundle"), "/proc/bundle can't be written"),
    ],
)
def test_arguments_that_must_fail_are_rejected_before_the_work(
    demo_folder: Path, tmp_path: Path, option: tuple[str, ...], named: str
) -> None:
    result = shopcat("train", "sales", demo_folder, "--out", tmp_path / "store" / "x", *QUICK, *option)
    assert result.exit_code == 2, result.output
    assert named in result.output
    assert not (tmp_path / "store").exists()


@pytest.mark.integration
def test_a_report_that_fails_needs_no_second_training(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sales"
    command = ("train", "sales", demo_folder, "--out", out, *QUICK)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("training.sales.report.write_report", full)
        assert "no space left" in shopcat(*command).output
    monkeypatch.setattr("training.loop.learner.Learner._train_epoch", full)  # a second training would fail
    again = shopcat(*command, "--force")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "report" / "sales" / "report.md").is_file()


def test_options_that_contradict_each_other_are_rejected(demo_folder: Path, tmp_path: Path) -> None:
    result = shopcat("train", "sales", demo_folder, "--out", tmp_path / "x", "--layers", "10", "--ps", "0,0")
    assert result.exit_code == 2
    assert "--layers has 1 width and --ps 2 dropout rates" in result.output
    result = shopcat("train", "sales", demo_folder, "--out", tmp_path / "x", "--layers", "wide")
    assert result.exit_code == 2
    assert "500,250" in result.output


def test_wrong_tables_are_all_reported_and_nothing_is_written(demo_folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "tables"
    shutil.copytree(demo_folder, broken)
    (broken / "weather.csv").write_text("")
    states = broken / "store_states.csv"
    states.write_text(states.read_text().replace("State", "Office"))
    result = shopcat("train", "sales", broken, "--out", tmp_path / "store" / "sales")
    assert result.exit_code == 2
    assert "weather.csv" in result.output
    assert "store_states.csv  State" in result.output
    assert not (tmp_path / "store").exists()


@pytest.mark.integration
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_training_leaves_no_bundle_and_goes_on(
    demo_folder: Path, tmp_path: Path, sent: signal.Signals
) -> None:
    out = tmp_path / "sales"
    command = [sys.executable, "-m", "cli", "train", "sales", str(demo_folder), "--out", str(out)]
    command += ["--epochs", "5000", "--layers", "64,32"]  # it must not be done before it is interrupted
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert process.stderr is not None
    while "epoch 2" not in (line := process.stderr.readline()):
        assert line, "it ended before the second epoch"
    second = shopcat(*command[3:])
    assert second.exit_code == 2
    assert f"{out} is being written by another training" in second.output
    process.send_signal(sent)
    process.communicate(timeout=120)  # reads what it writes: a full pipe would keep it from ending
    assert process.returncode in (130, -sent)
    assert not out.exists()
    resumed = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert resumed.stderr is not None
    seen = ""
    while seen.count(": loss") < 2:
        line = resumed.stderr.readline()
        assert line, seen
        seen += line
    resumed.kill()
    resumed.wait()
    assert "going on after epoch" in seen
    assert "epoch 1:" not in seen
