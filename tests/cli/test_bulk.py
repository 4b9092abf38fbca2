"""cli.bulk: jobs from the command line, their exit codes, and what they print."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from bulk.runners.runner import LostWorkerError
from bulk.storage.storage import UnavailableError
from cli import bulk, main
from tests.bulk.conftest import ThisProcess

ROOT = Path(__file__).parents[2]
PETS = ROOT / "model_store" / "pets"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with three files of rows, and one that is neither CSV nor Parquet."""
    folder = tmp_path / "in"
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"{day}.csv").write_text(f"store,date\n1,2015-06-0{day}\n2,2015-06-0{day}\n")
    (folder / "README.md").touch()
    return folder


def forecast(bundle: Path, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["forecast", str(bundle), *map(str, arguments)])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> ThisProcess:
    """Run jobs in this process."""
    runner = ThisProcess()
    monkeypatch.setattr(bulk, "_runner", lambda name, processes: runner)
    return runner


def test_a_folder_of_files_becomes_a_folder_of_parquet_files(
    demo_bundle: Path, folder: Path, tmp_path: Path, here: ThisProcess
) -> None:
    result = forecast(demo_bundle, folder, "--out", f"{tmp_path}/out/")
    assert result.exit_code == 0, result.output
    assert f"{tmp_path}/out/: 6 rows in 3 files\n" in result.stdout
    assert "  6 rows: training period\n" in result.stdout
    assert "job " in result.stderr
    assert ": 3 files, this process\n" in result.stderr
    assert "answering: 3 of 3 parts" in result.stderr
    assert len(pd.read_parquet(tmp_path / "out")) == 6
    again = forecast(demo_bundle, folder, "--out", tmp_path / "out")  # a folder by now
    assert again.exit_code == 0
    assert "6 rows in 3 files, 3 of them there before" in again.stdout


def test_kept_rows_are_counted(demo_bundle: Path, folder: Path, tmp_path: Path, here: ThisProcess) -> None:
    (folder / "2.csv").write_text("store,date\n99,2015-08-02\n")
    out = f"{tmp_path}/out/"
    refused = forecast(demo_bundle, folder, "--out", out)
    assert refused.exit_code == 2
    assert "2.csv: 1 row can't be forecast, so the job ends here" in refused.stderr
    assert "line 2: store 99 is not known" in refused.stderr
    kept = forecast(demo_bundle, folder, "--out", f"{tmp_path}/kept/", "--bad-rows", "keep")
    assert kept.exit_code == 0
    assert "  1 row with a problem, in the column problem\n" in kept.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{folder}/1.csv", "{folder}/2.csv", "--out", "{folder}/one.csv"], "end it with / for a folder"),
        (["{folder}", "--out", "{folder}/one.csv"], "end it with / for a folder"),
        (["{folder}/none.csv", "--out", "{folder}/out/"], "none.csv does not exist, or is an empty folder"),
        (["{folder}/none.csv", "--out", "{folder}/out.csv"], "File '{folder}/none.csv' does not exist"),
        (["{folder}/README.md", "--out", "{folder}/../out/"], "README.md: there are no rows"),
        (["ftp://host/rows.csv", "--out", "{folder}/out/"], "ftp://host/rows.csv"),
        (["{folder}/2.csv", "--out", "{folder}/1.csv/"], "1.csv is no folder that you may write"),
        (["{folder}", "--out", "{folder}/out/"], "lies in {folder}, whose files are read; name a folder outside it"),
        (["{folder}", "--out", "{folder}/../out/", "--levels", "99.5"], "--levels"),
    ],
)
def test_a_wrong_job_is_an_error_that_says_what_to_do(
    demo_bundle: Path, folder: Path, here: ThisProcess, arguments: list[str], words: str
) -> None:
    result = forecast(demo_bundle, *(argument.format(folder=folder) for argument in arguments))
    assert result.exit_code == 2
    assert words.format(folder=folder) in result.stderr
    assert here.answered == []


def test_a_bundle_of_another_kind_is_an_error(folder: Path, demo_bundle: Path) -> None:
    result = forecast(PETS, folder, "--out", f"{folder}/out/")
    assert result.exit_code == 2
    assert "is a bundle of the kind pets, not sales" in result.stderr
    photos = CliRunner().invoke(main, ["classify", str(demo_bundle), str(folder), "--out", f"{folder}/out/"])
    assert photos.exit_code == 2
    assert "is a bundle of the kind sales, not pets" in photos.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [(UnavailableError("no answer"), 75), (LostWorkerError("3 processes died"), 75), (KeyboardInterrupt(), 130)],
)
def test_a_job_that_another_try_continues_says_so_and_has_its_own_exit_code(
    demo_bundle: Path, folder: Path, here: ThisProcess, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(here, "run", fail)
    result = forecast(demo_bundle, folder, "--out", f"{folder.parent}/out/")
    assert result.exit_code == code
    assert "The same command continues from here." in result.stderr


def test_a_fault_of_ours_keeps_its_traceback_and_is_not_tried_again(
    demo_bundle: Path, folder: Path, here: ThisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's exit code for an error that nobody catches is 1, which is no reason to run a job again."""
    monkeypatch.setattr(here, "run", lambda *arguments: 1 / 0)
    result = forecast(demo_bundle, folder, "--out", f"{folder.parent}/out/")
    assert isinstance(result.exception, ZeroDivisionError)
    assert result.exit_code == 1 != bulk.LATER


def test_photos_are_classified_into_a_folder(tmp_path: Path, here: ThisProcess) -> None:
    photo = PETS.parents[1] / "docs" / "cat.jpg"
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["classify", str(PETS), str(photo), "--out", f"{out}/", "--top", "1"])
    assert result.exit_code == 0, result.output
    assert f"{out}/: 1 row in 1 file\n" in result.stdout
    (row,) = pd.read_parquet(out).to_dict("records")
    assert row["photo"] == str(photo)
    assert [best["breed"] for best in row["top"]] == [row["breed"]]


BLOCKED = """
import sys
for name in ("torch", "torchvision", "timm", "lightgbm", "matplotlib", "onnx", "holidays", "tqdm", "ray", "pyspark",
             "fsspec", "s3fs", "gcsfs"):
    sys.modules[name] = None
from cli import main
main(sys.argv[1:])
"""


@pytest.mark.integration
def test_jobs_need_the_packages_of_the_extra_bulk_alone(demo_bundle: Path, folder: Path, tmp_path: Path) -> None:
    """Neither what trains nor an engine nor a store is imported. The process is a new one."""
    command = [sys.executable, "-c", BLOCKED, "forecast", str(demo_bundle), str(folder)]
    job = [*command, "--out", f"{tmp_path}/out/", "--processes", "1"]
    assert subprocess.run(job, cwd=ROOT, capture_output=True, text=True, check=False).stderr.count("Error") == 0
    assert len(pd.read_parquet(tmp_path / "out")) == 6
    missing = [argument.replace('"torch",', '"torch", "pyarrow",') for argument in job]
    done = subprocess.run(missing, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "this command needs pyarrow, which is not installed" in done.stderr
    assert "'shopcat[bulk]'" in done.stderr


@pytest.mark.parametrize("option", ["--class", "--versus"])
def test_a_job_has_no_heatmap(tmp_path: Path, option: str) -> None:
    result = CliRunner().invoke(main, ["classify", str(PETS), str(tmp_path), "--out", f"{tmp_path}/", option, "pug"])
    assert result.exit_code == 2
    assert "are about a heatmap; a job has none" in result.stderr


def test_many_photos_need_a_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["classify", str(PETS), str(tmp_path)])
    assert result.exit_code == 2
    assert "is no file; for many photos, end --out with / for a folder of Parquet files" in result.stderr
