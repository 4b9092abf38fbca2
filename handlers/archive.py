"""Archives: bundles in the form that TorchServe loads.

An archive is a folder that TorchServe loads in place, without unpacking ("no-archive" in torch-model-archiver's words):

    sales.archive/
      MAR-INF/MANIFEST.json   names the model, its version and its handler, and the bundle that it was made from
      model-config.yaml       the settings for this model, from model_store/torchserve
      bundle/                 the bundle, copied

It holds no code: the handler is a module of the installed `handlers` package.
"""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from runtime.errors import UserError
from runtime.folder import new_folder, sha256

CONFIGURATION = Path(__file__).resolve().parents[1] / "model_store" / "torchserve"

_MANIFEST = Path("MAR-INF", "MANIFEST.json")
_SETTINGS = "model-config.yaml"
# Not the model's bare name: the folder's parent comes on the workers' import path, where a folder `sales` would hide
# the package of that name.
_SUFFIX = ".archive"


class ArchiveError(UserError):
    """A bundle or an archive that can't be used; the message names the file and what to do."""


def archive(bundle: Path, model_store: Path) -> Path:
    """Make the archive of a bundle.

    Args:
        bundle: a folder that training wrote.
        model_store: where the archive goes, as ``KIND.archive``. One that is there is replaced, in one step; nothing
            is written if it is the same.

    Returns:
        The archive's folder.

    Raises:
        ArchiveError: if the bundle is not whole, or of a kind that there is no handler for.
    """
    manifest = _read_bundle(bundle)
    kind = manifest["kind"]
    settings = CONFIGURATION / f"{kind}.yaml"
    if not kind.isidentifier() or find_spec(f"handlers.{kind}") is None or not settings.is_file():
        raise ArchiveError(f"{bundle} is a bundle of the kind {kind!r}, and there is no handler for it in this version")
    target = model_store / f"{kind}{_SUFFIX}"
    description = {
        "createdOn": manifest["created"],
        "runtime": "python",
        "archiverVersion": "0.12.0",
        "model": {
            "modelName": kind,
            "modelVersion": manifest["version"],
            "handler": f"handlers.{kind}",
            "configFile": _SETTINGS,
        },
        "shopcat": {"bundle": sha256(bundle / "bundle.json"), "settings": sha256(settings)},
    }
    if _is_current(target, description):
        return target
    with new_folder(target, replace=True) as folder:
        (folder / _MANIFEST).parent.mkdir()
        (folder / _MANIFEST).write_text(json.dumps(description, indent=2))
        shutil.copyfile(settings, folder / _SETTINGS)
        (folder / "bundle").mkdir()
        for name in ("bundle.json", *manifest["files"]):
            shutil.copyfile(bundle / name, folder / "bundle" / name)
    return target


def find_archives(model_store: Path) -> dict[str, Path]:
    """The archives in a model store, by the name of their model.

    Raises:
        ArchiveError: if there are none.
    """
    archives = {folder.stem: folder for folder in sorted(model_store.glob(f"*{_SUFFIX}")) if folder.is_dir()}
    if not archives:
        raise ArchiveError(f"{model_store} has no archives; make one with `shopcat archive BUNDLE`")
    return archives


def _read_bundle(bundle: Path) -> dict[str, Any]:
    """The bundle's manifest, once every file is seen to be the one that training wrote."""
    try:
        manifest = json.loads((bundle / "bundle.json").read_bytes())
        kind, version, created, files = (manifest[key] for key in ("kind", "version", "created", "files"))
    except OSError as error:
        raise ArchiveError(f"{bundle} is not a bundle: {error}; name a folder that training wrote") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ArchiveError(
            f"{bundle / 'bundle.json'} is not a bundle's manifest ({error!r}); train it again"
        ) from error
    if not all(isinstance(value, str) for value in (kind, version, created)) or not isinstance(files, dict):
        raise ArchiveError(f"{bundle / 'bundle.json'} is not a bundle's manifest; train it again")
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
        sources = {"bundle": sha256(target / "bundle" / "bundle.json"), "settings": sha256(target / _SETTINGS)}
    except (OSError, ValueError):
        return False
    return there == {"bundle.json", *bundle["files"]} and sources == description["shopcat"]


def _is_file(bundle: Path, name: str, digest: str) -> bool:
    """Whether the bundle has the file, directly within it and with that content."""
    file = bundle / name
    return Path(name).name == name and file.is_file() and sha256(file) == digest
