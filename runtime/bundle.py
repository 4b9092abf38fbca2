"""Bundles of any kind: a folder with a manifest that lists the hash of every other file in it.

::

    bundle.json          the manifest
    weights.safetensors  weights of the network
    model.onnx           graph of the network, for serving
    golden.json          golden rows: inputs, and the outputs that training computed for them
    MODEL_CARD.md        intended use, limits and figures of the model

The functions raise `BundleError` if a folder is not a bundle, is damaged, or has an unknown format.
"""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from runtime.errors import UserError
from runtime.folder import check_target, new_folder, sha256

MANIFEST = "bundle.json"
WEIGHTS = "weights.safetensors"
NETWORK = "model.onnx"
GOLDEN = "golden.json"
CARD = "MODEL_CARD.md"

Golden = list[dict[str, Any]]


class BundleError(UserError):
    """The folder is not a valid bundle; the message names the file and its fault."""


class _Manifest(Protocol):
    """Part of a manifest that `check_files` reads: the SHA-256 of every other file."""

    @property
    def files(self) -> dict[str, str]: ...


M = TypeVar("M", bound=BaseModel)


def kind_of(folder: Path) -> str:
    """Return the kind of model that a bundle's manifest names.

    Raises:
        BundleError: if the manifest does not exist or is not a JSON object.
    """
    return str(read_json(folder).get("kind"))


def name_of(folder: Path) -> str:
    """Return the name of the model that a bundle's manifest gives; raise `BundleError` as `kind_of` does."""
    return str(read_json(folder).get("name"))


def read_manifest(folder: Path, model: type[M], *, kind: str, format_version: int) -> M:
    """Return the manifest of a bundle, without reading the other files.

    Args:
        folder: folder of the bundle.
        model: type of the manifest.
        kind: kind of bundle, for messages.
        format_version: format version that this version of shopcat reads.

    Raises:
        BundleError: if the manifest does not exist, is invalid, or has another format version.
    """
    content, file = read_json(folder), folder / MANIFEST
    if content.get("kind", kind) != kind:  # format versions are counted for each kind
        raise BundleError(f"{file} is not a {kind} bundle's: kind: it is {content['kind']!r}")
    if content.get("format_version") != format_version:
        raise BundleError(
            f"{file} has the format version {content.get('format_version')!r}; this version of shopcat reads "
            f"{format_version}: export it again, or use the version that wrote it"
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise BundleError(f"{file} is not a {kind} bundle's: {field}: {first['msg']}") from None


def finish(
    folder: Path,
    model: type[M],
    manifest: Mapping[str, Any],
    files: Sequence[str],
    *,
    golden: Golden,
    card: str,
    date: dt.date,
    unversioned: Collection[str] = (),
) -> M:
    """Complete a bundle: write the golden rows, the model card and the manifest.

    Args:
        folder: folder of the bundle, with its weights, its network and the other files of its kind.
        model: type of the manifest.
        manifest: fields of the manifest but ``version`` and ``files``, which follow from the content. The version does
            not depend on the model card, which has the date of the training.
        files: names of all files of the bundle but the manifest.
        golden: golden rows.
        card: text of the model card.
        date: date at the start of the version.
        unversioned: names of further files that the version does not depend on, because no answer does.
    """
    (folder / GOLDEN).write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    hashes = {name: sha256(folder / name) for name in files}
    versioned = sorted(hashes.keys() - {CARD, *unversioned})
    content = hashlib.sha256("".join(hashes[name] for name in versioned).encode())
    version = f"{date:%Y%m%d}-{content.hexdigest()[:8]}"
    completed = model.model_validate({**manifest, "version": version, "files": hashes})
    write_manifest(folder, completed)
    return completed


def write_manifest(folder: Path, manifest: BaseModel) -> None:
    """Write the manifest of a bundle that is being made."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")


def check_files(folder: Path, manifest: _Manifest, expected: Sequence[str]) -> None:
    """Verify that a bundle has the files that its manifest lists, unchanged, and no others.

    Args:
        folder: folder of the bundle.
        manifest: manifest of the bundle.
        expected: names of the files that every bundle of the kind has.

    Raises:
        BundleError: if a file is missing, changed or not listed; the message names each.
    """
    present = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()} - {MANIFEST}
    missing, unlisted = sorted({*expected, *manifest.files} - present), sorted(present - set(manifest.files))
    try:
        changed = [
            name for name, digest in manifest.files.items() if name in present and sha256(folder / name) != digest
        ]
    except OSError as error:
        raise BundleError(f"{error.filename} can't be read: {error.strerror}") from None
    faults = [
        f"{fault} {', '.join(names)}"
        for fault, names in (("missing:", missing), ("not listed in it:", unlisted), ("changed since:", changed))
        if names
    ]
    if faults:
        raise BundleError(f"{folder} is not as its {MANIFEST} says ({'; '.join(faults)}); export it again")


def digest_of(folder: Path) -> str:
    """Return the digest that pins a bundle: the SHA-256 of its manifest, which has the hashes of all other files.

    Raises:
        BundleError: if the manifest does not exist or can't be read.
    """
    read_json(folder)
    return f"sha256:{sha256(folder / MANIFEST)}"


def fetch(
    source: str | Path,
    target: Path,
    digest: str,
    *,
    replace: bool = False,
    copy: Callable[[str, Path], object] | None = None,
) -> bool:
    """Copy a bundle of any kind, if it has the digest and its files have the hashes of its manifest.

    The target appears complete or not at all. If it is the bundle already, it is verified, and nothing is copied.

    Args:
        source: folder or address of the bundle.
        target: folder for the copy.
        digest: digest of the bundle, as `digest_of` returns it.
        replace: replace another bundle.
        copy: function that copies a file of an address to a path; None for files of this machine.

    Returns:
        True if the bundle was copied, False if it was there.

    Raises:
        BundleError: if the source has another digest, or a file is missing, changed, or outside of the bundle.
        FolderError: if the target exists and is something else.
    """
    if (target / MANIFEST).is_file() and digest_of(target) == digest and not _changed(target, target):
        return False
    check_target(target, replace=replace, remedy=", or replace it with --force")
    copy, place = copy or _copy_file, str(source).rstrip("/")
    with new_folder(target, replace=replace) as part:
        copy(f"{place}/{MANIFEST}", part / MANIFEST)
        found = f"sha256:{sha256(part / MANIFEST)}"
        if found != digest:
            raise BundleError(
                f"{source} has the digest {found}, not {digest}; name the bundle or the digest of the other"
            )
        for name in _listed(part, source):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            copy(f"{place}/{name}", part / name)
        if changed := _changed(part, source):
            raise BundleError(
                f"{source} is not as its {MANIFEST} says (changed since: {', '.join(changed)}); export it again"
            )
    return True


def _copy_file(place: str, file: Path) -> None:
    with ExitStack() as stack:
        try:
            content = stack.enter_context(open(place, "rb"))
        except OSError as error:
            raise BundleError(
                f"{place} can't be read: {error.strerror}; name a bundle that shopcat train has written"
            ) from None
        shutil.copyfileobj(content, stack.enter_context(file.open("wb")))


def _listed(folder: Path, name: str | Path) -> dict[str, str]:
    """Return the hashes of a manifest of any kind by the files' names; errors call the bundle by a name."""
    try:
        files = TypeAdapter(dict[str, str]).validate_python(read_json(folder).get("files"))
    except ValidationError:
        raise BundleError(f"{name}/{MANIFEST} has no list of files; name a bundle that shopcat train wrote") from None
    outside = [file for file in files if file.startswith("/") or ".." in PurePosixPath(file).parts]
    if outside:
        raise BundleError(f"{name}/{MANIFEST} lists files outside of the bundle: {', '.join(outside)}")
    return files


def _changed(folder: Path, name: str | Path) -> list[str]:
    """Return the files that a manifest lists, and that are missing or have another hash."""
    files = _listed(folder, name).items()
    return [file for file, digest in files if not (folder / file).is_file() or sha256(folder / file) != digest]


def read_json(folder: Path) -> dict[str, object]:
    """Return the manifest of a bundle of any kind as it is, unchecked; raise `BundleError` if it is no JSON object."""
    file = folder / MANIFEST
    if not folder.is_dir():
        raise BundleError(f"{folder} is not a folder; name a bundle that shopcat train has written")
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{folder} has no {MANIFEST}; name a bundle that shopcat train has written") from None
    except OSError as error:
        raise BundleError(f"{file} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BundleError(f"{file} is not a JSON object")
    return content
