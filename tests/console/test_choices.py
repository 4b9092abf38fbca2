"""console.choices: a chosen bundle is served in place of one version of one folder, and can be taken back."""

import json
import shutil
from pathlib import Path

import pytest

from console.choices import Choice, choose, chosen_folder, read_choice, resolve, withdraw
from runtime.bundle import BundleError
from runtime.folder import sha256


def bundle(folder: Path, version: str, name: str = "pets", kind: str = "pets") -> Path:
    """Write the smallest folder with a manifest that lists its files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_text(version)
    files = {"model.onnx": sha256(folder / "model.onnx")}
    manifest = {"kind": kind, "name": name, "version": version, "files": files}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return bundle(tmp_path / "given", "1")


@pytest.fixture
def data(tmp_path: Path, given: Path) -> Path:
    """Data with a choice of version 2 in place of the given bundle."""
    made = bundle(tmp_path / "made", "2")
    choose(tmp_path / "data", "pets", made, choice(given))
    shutil.rmtree(made)
    return tmp_path / "data"


def choice(given: Path, version: str = "1") -> Choice:
    return Choice(version="2", instead_of=given, instead_of_version=version, who="ann", origin="Cats", time=1.5)


def test_a_choice_is_a_copy_that_is_served_in_place_of_the_given_bundle(data: Path, given: Path) -> None:
    found = resolve(data, given)
    assert (found.bundle, found.unused) == (data / "served" / "pets" / "bundle", "")
    assert found.choice == read_choice(data, "pets") == choice(given)
    assert (found.bundle / "model.onnx").read_text() == "2"
    assert (given / "model.onnx").read_text() == "1"


def test_a_relative_path_and_a_link_name_the_same_bundle(
    data: Path, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(given)
    assert resolve(data, Path("given")).choice == resolve(data, Path("link")).choice == choice(given)


def test_a_choice_is_taken_back(data: Path, given: Path) -> None:
    assert withdraw(data, "pets")
    assert resolve(data, given) == (given, None, "")
    assert not withdraw(data, "pets")
    assert list((data / "served").iterdir()) == []


def test_a_later_choice_replaces_the_earlier_one(data: Path, given: Path, tmp_path: Path) -> None:
    later = choice(given).model_copy(update={"version": "3"})
    choose(data, "pets", bundle(tmp_path / "third", "3"), later)
    found = resolve(data, given)
    assert (found.choice, (found.bundle / "model.onnx").read_text()) == (later, "3")


def test_a_new_deployment_ends_a_choice(data: Path, given: Path) -> None:
    bundle(given, "1.1")
    found = resolve(data, given)
    assert (found.bundle, found.choice) == (given, None)
    assert found.unused == "it replaces version 1, and the folder has version 1.1 now"


def test_another_folder_keeps_its_bundle(data: Path, tmp_path: Path) -> None:
    other = bundle(tmp_path / "other", "1")
    assert resolve(data, other).bundle == other
    assert "not this folder" in resolve(data, other).unused
    named = bundle(tmp_path / "named", "1", name="dogs")
    assert resolve(data, named) == (named, None, "")


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_a_damaged_choice_is_not_served(data: Path, given: Path, name: str) -> None:
    (chosen_folder(data, "pets") / "bundle" / name).write_text("{}")
    found = resolve(data, given)
    assert found.bundle == given
    assert found.unused


def test_a_choice_that_can_not_be_read_is_not_served(data: Path, given: Path) -> None:
    (chosen_folder(data, "pets") / "choice.json").write_text("[]")
    assert resolve(data, given).bundle == given
    with pytest.raises(BundleError, match="delete"):
        read_choice(data, "pets")


def test_a_bundle_of_another_kind_is_not_served(data: Path, given: Path, tmp_path: Path) -> None:
    choose(data, "pets", bundle(tmp_path / "sales", "2", kind="sales"), choice(given))
    assert resolve(data, given).bundle == given


def test_only_an_undamaged_bundle_of_that_name_can_be_chosen(data: Path, given: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="--name pets"):
        choose(data, "pets", bundle(tmp_path / "dogs", "5", name="dogs"), choice(given))
    damaged = bundle(tmp_path / "damaged", "5")
    (damaged / "model.onnx").write_text("other")
    with pytest.raises(BundleError, match="damaged"):
        choose(data, "pets", damaged, choice(given))
    assert resolve(data, given).choice == choice(given)
