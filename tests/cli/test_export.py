"""`shopcat export triton` writes a model, or says why it can't."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main
from serving.triton.export import CONFIG

DEMO = Path(__file__).parents[2] / "model_store" / "demo"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["export", "triton", *map(str, arguments)])


def test_an_export_says_how_to_run_it(tmp_path: Path) -> None:
    environment = "$$TRITON_MODEL_DIRECTORY/env"
    result = run(DEMO, tmp_path / "models", "--instances", "2", "--environment", environment)
    assert result.exit_code == 0
    model = tmp_path / "models" / "sales"
    assert result.stdout.splitlines() == [
        f"{model}: a model of Triton; packages for its environment: {model / 'requirements.txt'}",
        f"run it: tritonserver --model-repository={tmp_path / 'models'}",
    ]
    config = (model / CONFIG).read_text(encoding="utf-8")
    assert environment in config
    assert "count: 2" in config


def test_an_existing_model_needs_force(tmp_path: Path) -> None:
    assert run(DEMO, tmp_path).exit_code == 0
    result = run(DEMO, tmp_path)
    assert result.exit_code == 2
    assert result.stderr.endswith("or replace it with --force\n")
    assert run(DEMO, tmp_path, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--environment", "env"], "env is a relative path; name an absolute path on Triton's machine"),
        (["--instances", "0"], "0 is not in the range x>=1"),
    ],
)
def test_a_wrong_option_writes_nothing(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run(DEMO, tmp_path / "models", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "models").exists()


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    result = run(tmp_path, tmp_path / "models")
    assert result.exit_code == 2
    assert "has no bundle.json; name a bundle that shopcat train has written" in result.stderr
