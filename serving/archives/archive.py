"""Archives: bundles in the form that both runners load, which is TorchServe's.

An archive is a folder that workers load in place, without unpacking; torch-model-archiver calls this "no-archive"::

    sales.archive/
      MAR-INF/MANIFEST.json   names of the model, its version and handler; hashes of bundle and settings
      model-config.yaml       the model's settings, from settings/ beside this file
      bundle/                 a copy of the bundle

An archive contains no code: the handler is a module of the installed package `handlers`.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from runtime.errors import UserError
from runtime.folder import new_folder, sha256
from schemas.bundle import NAME
from schemas.kinds import MODEL_KINDS

SETTINGS = Path(__file__).resolve().with_name("settings")

_MANIFEST = Path("MAR-INF", "MANIFEST.json")
_MODEL_SETTINGS = "model-config.yaml"
HANDLER = "handlers.torchserve.handler"
# TorchServe adds the folder's parent to the workers' import path. There a folder `sales` would hide that package.
_SUFFIX = ".archive"


class ArchiveError(UserError):
    """A bundle or an archive that cannot be used; the message names the file and the remedy."""


def archive(bundle: Path, model_store: Path, changes: Mapping[str, Any] = {}, *, gpu: bool = False) -> Path:
    """Write the archive of a bundle.

    An existing archive of the model is replaced in one atomic step, unless it is current.

    Args:
        bundle: the bundle's folder.
        model_store: parent folder of the archive, which is named ``NAME.archive`` after the model.
        changes: settings of the model that replace those of its kind.
        gpu: take the settings for a GPU where the kind has such.

    Returns:
        The archive's folder.

    Raises:
        ArchiveError: if the bundle is incomplete or of an unknown kind, or if this installation is incomplete.
    """
    manifest = _read_bundle(bundle)
    name, kind = manifest["name"], manifest["kind"]
    settings = _settings(kind, bundle).read_bytes()
    if changes or gpu:
        content = yaml.safe_load(settings)
        content |= {**(content.get("gpu", {}) if gpu else {}), **changes}
        settings = yaml.safe_dump(content, sort_keys=False).encode()
    target = model_store / f"{name}{_SUFFIX}"
    description = {
        "createdOn": manifest["created"],
        "runtime": "python",
        "archiverVersion": "0.12.0",
        "model": {
            "modelName": name,
            "modelVersion": manifest["version"],
            "handler": HANDLER,
            "configFile": _MODEL_SETTINGS,
        },
        "shopcat": {"bundle": sha256(bundle / "bundle.json"), "settings": hashlib.sha256(settings).hexdigest()},
    }
    if _is_current(target, description):
        return target
    with new_folder(target, replace=True) as folder:
        (folder / _MANIFEST).parent.mkdir()
        (folder / _MANIFEST).write_text(json.dumps(description, indent=2))
        (folder / _MODEL_SETTINGS).write_bytes(settings)
        (folder / "bundle").mkdir()
        for name in ("bundle.json", *manifest["files"]):
            shutil.copyfile(bundle / name, folder / "bundle" / name)
    return target


def check_bundles(bundles: Iterable[Path]) -> None:
    """Check that bundles can be archived and served together, without writing anything.

    Raises:
        ArchiveError: if a bundle can't be archived, or if two have the same name, which is part of the model's URL.
    """
    seen: dict[str, Path] = {}
    for bundle in bundles:
        manifest = _read_bundle(bundle)
        name = manifest["name"]
        _settings(manifest["kind"], bundle)
        if name in seen:
            raise ArchiveError(
                f"{seen[name]} and {bundle} are both named {name!r}, but names of models on one server are unique; "
                f"train one of them with another --name, or serve it with a second command on other ports"
            )
        seen[name] = bundle


def copy_archives(archives: Iterable[Path], folder: Path, *, link: bool = False) -> dict[str, Path]:
    """Copy archives into a private folder, so that `archive` cannot replace them while TorchServe uses them.

    Args:
        archives: the archives' folders.
        folder: the private folder.
        link: make hard links to the files in place of copies, because nobody changes the files.

    Returns:
        The folders of the copies, by model name.

    Raises:
        ArchiveError: if a folder is not an archive, can't be copied, or was replaced during the copy.
    """
    copies: dict[str, Path] = {}
    for source in archives:
        if source.suffix != _SUFFIX or not (source / _MANIFEST).is_file():
            raise ArchiveError(f"{source} is not an archive; make one with `shopcat archive BUNDLE`")
        if source.stem in copies:
            raise ArchiveError(f"{source} is the second archive of the model {source.stem}; give only one")
        before = source.stat().st_ino
        try:
            copy = os.link if link else shutil.copy2
            copies[source.stem] = Path(shutil.copytree(source, folder / source.name, copy_function=copy))
            replaced = source.stat().st_ino != before
        except OSError as error:
            raise ArchiveError(f"{source} can't be copied to {folder}: {error}") from error
        if replaced:  # the copy may mix files of the old archive and the new one
            raise ArchiveError(f"{source} was replaced while it was copied; try again")
    return copies


def _settings(kind: str, bundle: Path) -> Path:
    """Return the settings file of a kind of model.

    Raises:
        ArchiveError: if this version does not know the kind, or if its settings file is missing.
    """
    if kind not in MODEL_KINDS:
        raise ArchiveError(
            f"{bundle} is a bundle of the kind {kind!r}; this version of shopcat serves {', '.join(MODEL_KINDS)}"
        )
    settings = SETTINGS / f"{kind}.yaml"
    if not settings.is_file():
        raise ArchiveError(f"{settings} is missing: shopcat is incomplete; install it again")
    return settings


def _read_bundle(bundle: Path) -> dict[str, Any]:
    """Verify the hash of every file of a bundle, and return the manifest.

    Raises:
        ArchiveError: if the manifest is invalid, or if a file is missing or changed.
    """
    try:
        manifest = json.loads((bundle / "bundle.json").read_bytes())
        kind, name, version, created, files = (manifest[key] for key in ("kind", "name", "version", "created", "files"))
    except OSError as error:
        raise ArchiveError(f"{bundle} is not a bundle: {error}; give a folder that training wrote") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(
            f"{bundle / 'bundle.json'} is not a bundle's manifest ({error!r}); train it again"
        ) from error
    if not all(isinstance(value, str) for value in (kind, name, version, created)) or not isinstance(files, dict):
        raise ArchiveError(f"{bundle / 'bundle.json'} is not a bundle's manifest; train it again")
    if not re.fullmatch(NAME, name):
        raise ArchiveError(
            f"{bundle / 'bundle.json'} names the model {name!r}, which is not valid in a URL; train it again"
        )
    damaged = [name for name, digest in files.items() if not _has_file(bundle, name, digest)]
    if damaged:
        raise ArchiveError(f"{bundle} is damaged: {', '.join(damaged)} missing or changed; train it again")
    return dict(manifest)


def _is_current(target: Path, description: dict[str, Any]) -> bool:
    """Return True if an archive is undamaged and was made from the described bundle and settings."""
    try:
        if json.loads((target / _MANIFEST).read_bytes()) != description:
            return False
        bundle = _read_bundle(target / "bundle")
        file_names = {path.name for path in (target / "bundle").iterdir()}
        sources = {"bundle": sha256(target / "bundle" / "bundle.json"), "settings": sha256(target / _MODEL_SETTINGS)}
    except (OSError, ValueError):
        return False
    return file_names == {"bundle.json", *bundle["files"]} and sources == description["shopcat"]


def _has_file(bundle: Path, name: str, digest: str) -> bool:
    """Return True if a file with this SHA-256 lies directly in the bundle's folder."""
    file = bundle / name
    return Path(name).name == name and file.is_file() and sha256(file) == digest
