"""Archives: bundles in the form that TorchServe loads.

An archive is a folder that TorchServe loads in place, without unpacking ("no-archive" in torch-model-archiver's words):

    sales.archive/
      MAR-INF/MANIFEST.json   names the model, its version and its handler, and the bundle that it was made from
      model-config.yaml       the settings for this model, from settings/ beside this file
      bundle/                 the bundle, copied

It holds no code: the handler is a module of the installed `handlers` package.
"""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from runtime.errors import UserError
from runtime.folder import new_folder, sha256
from schemas.bundle import NAME
from schemas.kinds import MODEL_KINDS

SETTINGS = Path(__file__).resolve().with_name("settings")

_MANIFEST = Path("MAR-INF", "MANIFEST.json")
_MODEL_SETTINGS = "model-config.yaml"
# Not the model's bare name: the folder's parent comes on the workers' import path, where a folder `sales` would hide
# the package of that name.
_SUFFIX = ".archive"


class ArchiveError(UserError):
    """A bundle or an archive that can't be used; the message names the file and what to do."""


def archive(bundle: Path, model_store: Path) -> Path:
    """Make the archive of a bundle.

    Args:
        bundle: a folder that training wrote.
        model_store: where the archive goes, as ``NAME.archive``, after the model's name. One that is there is replaced,
            in one step; nothing is written if it is the same.

    Returns:
        The archive's folder.

    Raises:
        ArchiveError: if the bundle is incomplete or of an unknown kind, or if this installation is incomplete.
    """
    manifest = _read_bundle(bundle)
    name, kind = manifest["name"], manifest["kind"]
    settings = _settings(kind, bundle)
    target = model_store / f"{name}{_SUFFIX}"
    description = {
        "createdOn": manifest["created"],
        "runtime": "python",
        "archiverVersion": "0.12.0",
        "model": {
            "modelName": name,
            "modelVersion": manifest["version"],
            "handler": f"handlers.{kind}",
            "configFile": _MODEL_SETTINGS,
        },
        "shopcat": {"bundle": sha256(bundle / "bundle.json"), "settings": sha256(settings)},
    }
    if _is_current(target, description):
        return target
    with new_folder(target, replace=True) as folder:
        (folder / _MANIFEST).parent.mkdir()
        (folder / _MANIFEST).write_text(json.dumps(description, indent=2))
        shutil.copyfile(settings, folder / _MODEL_SETTINGS)
        (folder / "bundle").mkdir()
        for name in ("bundle.json", *manifest["files"]):
            shutil.copyfile(bundle / name, folder / "bundle" / name)
    return target


def check_bundles(bundles: Iterable[Path]) -> None:
    """Ask before anything is written whether bundles can be archived and served together.

    Raises:
        ArchiveError: if one can't be archived, or two have the same name: it is the model's address.
    """
    seen: dict[str, Path] = {}
    for bundle in bundles:
        manifest = _read_bundle(bundle)
        name = manifest["name"]
        _settings(manifest["kind"], bundle)
        if name in seen:
            raise ArchiveError(
                f"{seen[name]} and {bundle} are both named {name!r}, and a server has one model of a name; "
                f"train one of them with another --name, or serve it with a second command on other ports"
            )
        seen[name] = bundle


def copy_archives(archives: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Copy archives into a folder, where nobody replaces them.

    Returns:
        The copies, by the name of their model.

    Raises:
        ArchiveError: if one is not an archive, can't be copied, or was replaced meanwhile.
    """
    copies: dict[str, Path] = {}
    for source in archives:
        if source.suffix != _SUFFIX or not (source / _MANIFEST).is_file():
            raise ArchiveError(f"{source} is not an archive; make one with `shopcat archive BUNDLE`")
        if source.stem in copies:
            raise ArchiveError(f"{source} is the second archive of {source.stem}; name one")
        before = source.stat().st_ino
        try:
            copies[source.stem] = Path(shutil.copytree(source, folder / source.name))
            replaced = source.stat().st_ino != before
        except OSError as error:
            raise ArchiveError(f"{source} can't be copied to {folder}: {error}") from error
        if replaced:  # the copy may be half the old one and half the new
            raise ArchiveError(f"{source} was replaced while it was copied; try again")
    return copies


def _settings(kind: str, bundle: Path) -> Path:
    """Return the file with the settings for a kind of model.

    Raises:
        ArchiveError: if this version does not know the kind, or its settings are missing.
    """
    if not (SETTINGS / "config.properties").is_file():
        raise ArchiveError(f"{SETTINGS} has no config.properties: shopcat is not installed whole; install it again")
    if kind not in MODEL_KINDS:
        raise ArchiveError(
            f"{bundle} is a bundle of the kind {kind!r}; this version of shopcat knows {', '.join(MODEL_KINDS)}"
        )
    settings = SETTINGS / f"{kind}.yaml"
    if not settings.is_file():
        raise ArchiveError(f"{settings} is missing: shopcat is not installed whole; install it again")
    return settings


def _read_bundle(bundle: Path) -> dict[str, Any]:
    """The bundle's manifest, once every file is seen to be the one that training wrote."""
    try:
        manifest = json.loads((bundle / "bundle.json").read_bytes())
        kind, name, version, created, files = (manifest[key] for key in ("kind", "name", "version", "created", "files"))
    except OSError as error:
        raise ArchiveError(f"{bundle} is not a bundle: {error}; name a folder that training wrote") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(
            f"{bundle / 'bundle.json'} is not a bundle's manifest ({error!r}); train it again"
        ) from error
    if not all(isinstance(value, str) for value in (kind, name, version, created)) or not isinstance(files, dict):
        raise ArchiveError(f"{bundle / 'bundle.json'} is not a bundle's manifest; train it again")
    if not re.fullmatch(NAME, name):
        raise ArchiveError(
            f"{bundle / 'bundle.json'} names the model {name!r}, which can't be in an address; train it again"
        )
    wrong = [name for name, digest in files.items() if not _is_file(bundle, name, digest)]
    if wrong:
        raise ArchiveError(f"{bundle} is not whole: {', '.join(wrong)} missing or changed; train it again")
    return dict(manifest)


def _is_current(target: Path, description: dict[str, Any]) -> bool:
    """Whether the archive was made from the same bundle and settings, and is undamaged."""
    try:
        if json.loads((target / _MANIFEST).read_bytes()) != description:
            return False
        bundle = _read_bundle(target / "bundle")
        there = {path.name for path in (target / "bundle").iterdir()}
        sources = {"bundle": sha256(target / "bundle" / "bundle.json"), "settings": sha256(target / _MODEL_SETTINGS)}
    except (OSError, ValueError):
        return False
    return there == {"bundle.json", *bundle["files"]} and sources == description["shopcat"]


def _is_file(bundle: Path, name: str, digest: str) -> bool:
    """Whether the bundle has the file, directly within it and with that content."""
    file = bundle / name
    return Path(name).name == name and file.is_file() and sha256(file) == digest
