"""serving.archives.archive: atomic writes, replacement of stale archives, and the format that TorchServe loads."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

import serving.archives.archive
from serving.archives.archive import ArchiveError, archive, check_bundles, copy_archives

ROOT = Path(__file__).parents[3]


def write_bundle(folder: Path, *, version: str = "1", **changes: Any) -> Path:
    """Write a folder with the manifest and hashes of a bundle, around random content."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"weights.safetensors": os.urandom(50_000), "golden.json": b"[]"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    manifest = {
        "kind": "sales",
        "name": "sales",
        "version": version,
        "created": "2026-11-23T08:37:34Z",
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    (folder / "bundle.json").write_text(json.dumps(manifest | changes))
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize(("gpu", "changes", "expected"), [(False, {}, 1), (True, {}, 64), (True, {"batchSize": 5}, 5)])
def test_a_gpu_has_settings_of_its_own(tmp_path: Path, gpu: bool, changes: dict[str, int], expected: int) -> None:
    pets = write_bundle(tmp_path / "pets", kind="pets", name="pets")
    made = archive(pets, tmp_path / "store", changes, gpu=gpu)
    assert yaml.safe_load((made / "model-config.yaml").read_text())["batchSize"] == expected


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_archive_has_the_bundle_a_manifest_and_settings(bundle: Path, store: Path) -> None:
    made = archive(bundle, store)
    assert made == store / "sales.archive"
    assert content(made / "bundle") == content(bundle)
    manifest = json.loads((made / "MAR-INF" / "MANIFEST.json").read_text())
    assert manifest["model"] == {
        "modelName": "sales",
        "modelVersion": "1",
        "handler": "handlers.torchserve.handler",
        "configFile": "model-config.yaml",
    }
    settings = yaml.safe_load((made / "model-config.yaml").read_text())
    assert settings["batchSize"] > 1
    assert settings["maxBatchDelay"] == 1  # 0 would be 100


def test_the_archiver_writes_the_same_manifest(bundle: Path, store: Path, tmp_path: Path) -> None:
    """torch-model-archiver writes the same fields for the same model."""
    handler, settings = tmp_path / "handlers.py", tmp_path / "model-config.yaml"
    handler.write_text("")
    settings.write_text("batchSize: 1\n")
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-m", "model_archiver.model_packaging", "--model-name", "sales", "--version", "1"]
    command += ["--handler", str(handler), "-c", str(settings), "--archive-format", "no-archive"]
    command += ["--export-path", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    reference = json.loads((tmp_path / "out" / "sales" / "MAR-INF" / "MANIFEST.json").read_text())
    manifest = json.loads((archive(bundle, store) / "MAR-INF" / "MANIFEST.json").read_text())
    assert manifest.keys() - {"shopcat"} == reference.keys()
    assert manifest["model"].keys() == reference["model"].keys()
    assert manifest["runtime"] == reference["runtime"]
    assert manifest["archiverVersion"] == reference["archiverVersion"]
    assert manifest["model"]["modelName"] == reference["model"]["modelName"]
    assert manifest["model"]["modelVersion"] == reference["model"]["modelVersion"]
    assert manifest["model"]["configFile"] == reference["model"]["configFile"]


def test_the_same_bundle_is_not_written_again(bundle: Path, store: Path) -> None:
    inode = archive(bundle, store).stat().st_ino
    assert archive(bundle, store).stat().st_ino == inode


def test_a_new_bundle_replaces_the_old(bundle: Path, store: Path) -> None:
    archive(bundle, store)
    write_bundle(bundle, version="2")
    made = archive(bundle, store)
    assert content(made / "bundle") == content(bundle)
    assert [path.name for path in store.iterdir()] == ["sales.archive"]


@pytest.mark.parametrize("file", ["bundle/weights.safetensors", "model-config.yaml", "MAR-INF/MANIFEST.json"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_archive_is_replaced(bundle: Path, store: Path, file: str, damage: str) -> None:
    made = archive(bundle, store)
    undamaged = content(made)
    if damage == "changed":
        (made / file).write_bytes(b"{}")
    else:
        (made / file).unlink()
    assert content(archive(bundle, store)) == undamaged


def test_an_archive_with_a_foreign_file_is_replaced(bundle: Path, store: Path) -> None:
    made = archive(bundle, store)
    (made / "bundle" / "numpy.py").write_text("raise SystemExit")
    archive(bundle, store)
    assert not (made / "bundle" / "numpy.py").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "dogs"}, "of the kind 'dogs'"),
        ({"kind": "../sales"}, "of the kind '../sales'"),
        ({"kind": "batch"}, "of the kind 'batch'"),  # a module of handlers, but not a handler
        ({"kind": None}, "not a bundle's manifest"),
        ({"name": None}, "not a bundle's manifest"),
        ({"name": "../sales"}, "names the model '../sales'"),
        ({"files": {"../../etc/passwd": "0"}}, "missing or changed"),
        ({"files": {"absent": "0"}}, "absent missing or changed"),
        ({"files": ["weights.safetensors"]}, "not a bundle's manifest"),
    ],
)
def test_an_invalid_bundle_is_rejected(tmp_path: Path, store: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        archive(write_bundle(tmp_path / "bad", **changes), store)
    assert not store.exists()


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_an_unreadable_manifest_is_rejected(bundle: Path, store: Path, manifest: bytes) -> None:
    (bundle / "bundle.json").write_bytes(manifest)
    with pytest.raises(ArchiveError, match="train it again"):
        archive(bundle, store)


def test_the_error_names_the_changed_file(bundle: Path, store: Path) -> None:
    (bundle / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ArchiveError, match=r"weights\.safetensors missing or changed"):
        archive(bundle, store)


def test_a_missing_bundle_is_rejected(tmp_path: Path, store: Path) -> None:
    with pytest.raises(ArchiveError, match="is not a bundle"):
        archive(tmp_path / "nowhere", store)


def test_an_incomplete_installation_is_reported(
    bundle: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.archives.archive, "SETTINGS", tmp_path / "absent")
    with pytest.raises(ArchiveError, match=r"absent/sales\.yaml is missing: shopcat is incomplete"):
        archive(bundle, store)


def test_two_bundles_of_the_same_name_are_rejected(bundle: Path) -> None:
    other = write_bundle(bundle.parent / "other")
    check_bundles([bundle])
    with pytest.raises(ArchiveError, match=f"{bundle} and {other} are both named 'sales'"):
        check_bundles([bundle, other])


def test_two_bundles_of_a_kind_are_served_under_their_names(bundle: Path) -> None:
    check_bundles([bundle, write_bundle(bundle.parent / "other", name="forecasts")])


def test_an_archive_has_the_name_of_its_model(tmp_path: Path, store: Path) -> None:
    made = archive(write_bundle(tmp_path / "bundle", name="forecasts"), store)
    assert made == store / "forecasts.archive"
    model = json.loads((made / "MAR-INF" / "MANIFEST.json").read_text())["model"]
    assert (model["modelName"], model["handler"]) == ("forecasts", "handlers.torchserve.handler")


def test_a_copy_survives_the_removal_of_its_archive(bundle: Path, store: Path, tmp_path: Path) -> None:
    made = archive(bundle, store)
    copies = copy_archives([made], tmp_path / "copies")
    assert copies == {"sales": tmp_path / "copies" / "sales.archive"}
    original = content(made)
    shutil.rmtree(made)
    assert content(copies["sales"]) == original


def test_links_to_private_copies_take_no_space(bundle: Path, store: Path, tmp_path: Path) -> None:
    copies = copy_archives([archive(bundle, store)], tmp_path / "copies").values()
    links = copy_archives(copies, tmp_path / "links", link=True)
    assert content(links["sales"]) == content(tmp_path / "copies" / "sales.archive")
    assert {file.stat().st_nlink for file in links["sales"].rglob("*") if file.is_file()} == {2}


@pytest.mark.parametrize("name", ["bundle", "absent.archive", "empty.archive"])
def test_only_an_archive_is_copied(bundle: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.archive").mkdir()
    with pytest.raises(ArchiveError, match=f"{name} is not an archive; make one with `shopcat archive BUNDLE`"):
        copy_archives([tmp_path / name], tmp_path / "copies")


def test_two_archives_of_a_model_are_not_copied(bundle: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="second archive of the model sales"):
        copy_archives([archive(bundle, store), archive(bundle, tmp_path / "other")], tmp_path / "copies")


def test_an_archive_replaced_during_the_copy_is_rejected(
    bundle: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_bundle(tmp_path / "other", version="2")

    def copy_and_replace(source: Path, target: Path, **options: Any) -> Path:
        monkeypatch.undo()
        copied: Path = shutil.copytree(source, target, **options)
        archive(other, store)
        return copied

    made = archive(bundle, store)
    monkeypatch.setattr(shutil, "copytree", copy_and_replace)
    with pytest.raises(ArchiveError, match="was replaced while it was copied"):
        copy_archives([made], tmp_path / "copies")


@pytest.mark.integration
def test_a_wheel_has_all_packages_and_data_files(tmp_path: Path) -> None:
    """The data files are settings, Envoy's template, the OpenAPI document and its examples."""
    tree = tmp_path / "tree"  # a copy, because setuptools writes into the tree
    tree.mkdir()
    packages = sorted({file.parent.name for file in ROOT.glob("*/__init__.py")} - {"benchmarks"})
    assert {"handlers", "pets", "sales", "cli"} <= {*packages}
    for name in packages:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, tree / name)
    program = "import sys\nfrom setuptools import build_meta\nbuild_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=tree, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("shopcat-*.whl")
    wheel_files = set(zipfile.ZipFile(wheel).namelist())
    code = {str(file.relative_to(ROOT)) for name in packages for file in (ROOT / name).rglob("*.py")}
    names = {file.name for file in serving.archives.archive.SETTINGS.iterdir()}
    assert {"sales.yaml", "pets.yaml"} <= names
    assert code | {f"serving/archives/settings/{name}" for name in names} <= wheel_files
    assert {
        "schemas/openapi.json",
        "schemas/examples.json",
        "shopcat/py.typed",
        "serving/gateway/auth.lua",
        "serving/torchserve/settings/config.properties",
        "serving/torchserve/settings/log4j2.xml",
        "serving/gateway/envoy.yaml.jinja",
        "serving/gateway/routes.yaml.jinja",
    } <= wheel_files


@pytest.mark.integration
def test_an_archive_is_complete_after_sigkill_at_any_moment(bundle: Path, store: Path) -> None:
    """Kill a process at eight moments while it writes archives of two bundles in turn."""
    other = write_bundle(bundle.parent / "other", version="2")
    program = (
        "import sys\nfrom itertools import cycle\nfrom pathlib import Path\n"
        "from serving.archives.archive import archive\n"
        "print(flush=True)\nfor bundle in cycle(sys.argv[2:]): archive(Path(bundle), Path(sys.argv[1]))"
    )
    complete = [content(bundle), content(other)]
    for attempt in range(8):
        command = [sys.executable, "-c", program, str(store), str(bundle), str(other)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.004 * attempt)
            process.send_signal(signal.SIGKILL)
        for made in store.glob("*.archive"):
            assert content(made / "bundle") in complete
            assert {"MAR-INF/MANIFEST.json", "model-config.yaml"} <= content(made).keys()
    assert content(archive(bundle, store) / "bundle") == complete[0]
