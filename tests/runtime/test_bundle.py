"""runtime.bundle: manifests, hashes and copies of a bundle; tests/sales and tests/pets damage real bundles."""

import json
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from runtime.bundle import MANIFEST, BundleError, check_files, digest_of, fetch, kind_of, read_manifest
from runtime.folder import FolderError, sha256


class Manifest(BaseModel):
    format_version: int
    kind: str
    files: dict[str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of two files, one of them in a subfolder."""
    (tmp_path / "deep").mkdir()
    for name in ("a.bin", "deep/b.bin"):
        (tmp_path / name).write_bytes(name.encode())
    files = {name: sha256(tmp_path / name) for name in ("a.bin", "deep/b.bin")}
    (tmp_path / MANIFEST).write_text(json.dumps({"format_version": 3, "kind": "toys", "files": files}))
    return tmp_path


def read(folder: Path, version: int = 3) -> Manifest:
    return read_manifest(folder, Manifest, kind="toys", format_version=version)


def test_the_kind_is_read_from_any_format_version(folder: Path) -> None:
    assert kind_of(folder) == "toys"
    with pytest.raises(BundleError, match=r"format version 3; this version of shopcat reads 4"):
        read(folder, version=4)
    with pytest.raises(BundleError, match=r"has no bundle\.json"):
        kind_of(folder / "deep")


def test_a_complete_bundle_passes(folder: Path) -> None:
    check_files(folder, read(folder), ["a.bin", "deep/b.bin"])


def test_an_expected_file_must_exist_and_be_listed(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"missing: c\.bin\)"):
        check_files(folder, read(folder), ["c.bin"])
    (folder / "c.bin").write_bytes(b"")
    with pytest.raises(BundleError, match=r"not listed in it: c\.bin\)"):
        check_files(folder, read(folder), ["c.bin"])


def test_each_fault_is_named(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"other")
    (folder / "deep/b.bin").rename(folder / "deep/c.bin")
    with pytest.raises(BundleError) as caught:
        check_files(folder, read(folder), [])
    for fault in ("missing: deep/b.bin", "not listed in it: deep/c.bin", "changed since: a.bin"):
        assert fault in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'"text"', b"[1]", b"null"])
def test_a_manifest_that_is_no_json_object_is_rejected(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    for look in (read, kind_of):
        with pytest.raises(BundleError, match=r"bundle\.json is not"):
            look(folder)


def test_a_field_of_the_wrong_type_is_named(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"format_version": 3, "kind": "toys", "files": {"a.bin": 5}}')
    with pytest.raises(BundleError, match=r"is not a toys bundle's: files\.a\.bin: "):
        read(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_digest_is_what_sha256sum_prints(folder: Path) -> None:
    printed = subprocess.run(["sha256sum", MANIFEST], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert digest_of(folder) == f"sha256:{printed.split()[0]}"


def test_a_fetched_bundle_has_the_listed_files_and_no_others(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    expected = content(folder)
    (folder / "leftover").write_bytes(b"not listed")
    target = tmp_path_factory.mktemp("node") / "deep" / "sales"
    assert fetch(folder, target, digest_of(folder))
    assert content(target) == expected
    assert [path.name for path in target.parent.iterdir()] == ["sales"]


def test_a_bundle_that_is_there_is_verified_and_not_copied(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target, digest = tmp_path_factory.mktemp("node") / "sales", digest_of(folder)
    fetch(folder, target, digest)
    before = target.stat().st_ino
    assert not fetch(folder / "nowhere", target, digest)
    assert target.stat().st_ino == before
    (target / "a.bin").write_bytes(b"damaged")
    with pytest.raises(FolderError, match="replace it with --force"):
        fetch(folder, target, digest)
    assert fetch(folder, target, digest, replace=True)
    assert content(target) == content(folder)


def test_a_refused_bundle_leaves_no_trace(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    node = tmp_path_factory.mktemp("node")
    digest = digest_of(folder)
    with pytest.raises(BundleError, match=rf"has the digest {digest}, not sha256:0{{64}}"):
        fetch(folder, node / "sales", f"sha256:{'0' * 64}")
    (folder / "a.bin").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"changed since: a\.bin"):
        fetch(folder, node / "sales", digest)
    (folder / "a.bin").unlink()
    with pytest.raises(BundleError, match=r"a\.bin can't be read"):
        fetch(folder, node / "sales", digest)
    assert list(node.iterdir()) == []


def test_another_bundle_is_replaced_only_by_force(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("node") / "sales"
    fetch(folder, target, digest_of(folder))
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text() + "\n")
    with pytest.raises(FolderError, match="replace it with --force"):
        fetch(folder, target, digest_of(folder))
    assert fetch(folder, target, digest_of(folder), replace=True)
    assert digest_of(target) == digest_of(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "deep/../../outside"])
def test_a_manifest_can_not_name_files_outside_of_the_bundle(name: str, tmp_path: Path) -> None:
    source, node = tmp_path / "source", tmp_path / "node"
    source.mkdir()
    (tmp_path / "outside").write_bytes(b"")
    (source / MANIFEST).write_text(json.dumps({"files": {name: "0" * 64}}))
    with pytest.raises(BundleError, match="lists files outside of the bundle"):
        fetch(source, node / "sales", digest_of(source))
    (source / MANIFEST).write_text(json.dumps({"files": [name]}))
    with pytest.raises(BundleError, match="has no list of files"):
        fetch(source, node / "sales", digest_of(source))
    assert not node.exists() or list(node.iterdir()) == []
