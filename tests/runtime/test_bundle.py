"""runtime.bundle: manifests and hashes of a bundle of any kind; tests/sales and tests/pets damage real bundles."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from runtime.bundle import MANIFEST, BundleError, check_files, kind_of, read_manifest
from runtime.folder import sha256


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
