"""Bundles that people chose on a page, to be served in place of those of the command line.

::

    FOLDER/served/NAME/bundle/       copy of the chosen bundle
    FOLDER/served/NAME/choice.json   the bundle that it replaces, and who chose it

A choice replaces one version of one folder. Once that folder has another bundle, the choice counts no more, so that a
deployment is never hidden. The replaced folder itself stays as it is.
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.bundle import MANIFEST, BundleError, read_json
from runtime.folder import new_folder, sha256

_SERVED, _BUNDLE, _CHOICE = "served", "bundle", "choice.json"


class Choice(BaseModel):
    """A choice.

    Attributes:
        version: version of the chosen bundle.
        instead_of: folder of the bundle that it replaces.
        instead_of_version: version of that bundle.
        who: name of the person who chose it.
        origin: name of the labelling project that the chosen bundle comes from.
        time: when it was chosen, seconds since 1970.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    instead_of: Path
    instead_of_version: str
    who: str
    origin: str
    time: float


class Resolved(NamedTuple):
    """The folder to serve for a bundle of the command line.

    Attributes:
        bundle: the folder.
        choice: the choice that names it; None if the command line does.
        unused: reason why there is a choice that does not count; empty if there is none.
    """

    bundle: Path
    choice: Choice | None
    unused: str


def chosen_folder(data: Path, name: str) -> Path:
    """Return the folder of a model's choice, whether or not there is one."""
    return data / _SERVED / name


def choose(data: Path, name: str, bundle: Path, choice: Choice) -> None:
    """Keep a copy of a bundle as the choice for a model, atomically. It replaces an earlier choice; see `undo`.

    Args:
        data: folder of the service's data.
        name: name of the model.
        bundle: folder of the bundle.
        choice: the choice.

    Raises:
        BundleError: if the folder is no bundle of a model of this name, or is damaged.
        FolderError: if the data can't be written.
    """
    _check(bundle, name)
    folder, former = chosen_folder(data, name), _former(data, name)
    settle(data, name)
    if folder.is_dir():
        shutil.copytree(folder, former, copy_function=os.link)  # hard links, because nobody changes the files
    with new_folder(chosen_folder(data, name), replace=True, rights="private") as part:
        shutil.copytree(bundle, part / _BUNDLE)
        (part / _CHOICE).write_text(choice.model_dump_json(indent=1), encoding="utf-8")


def undo(data: Path, name: str) -> None:
    """Undo the last choice for a model: the earlier one counts again, or none."""
    former = _former(data, name)
    withdraw(data, name)
    with suppress(FileNotFoundError):
        former.rename(chosen_folder(data, name))


def settle(data: Path, name: str) -> None:
    """Forget the choice before the last one of a model."""
    shutil.rmtree(_former(data, name), ignore_errors=True)


def withdraw(data: Path, name: str) -> bool:
    """Remove the choice for a model, so that the bundle of the command line is served again; False without one."""
    folder = chosen_folder(data, name)
    gone = folder.with_name(f".{name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def read_choice(data: Path, name: str) -> Choice | None:
    """Return the choice for a model, whether or not it counts; None without one.

    Raises:
        BundleError: if it can't be read.
    """
    file = chosen_folder(data, name) / _CHOICE
    try:
        return Choice.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise BundleError(f"{file} can't be read ({error}); delete {file.parent}") from error


def resolve(data: Path, bundle: Path) -> Resolved:
    """Return the folder to serve for a bundle of the command line: that of a choice, if one counts.

    Raises:
        BundleError: if the bundle of the command line has no manifest.
    """
    manifest = read_json(bundle)
    name, version = str(manifest.get("name")), str(manifest.get("version"))
    folder = chosen_folder(data, name)
    try:
        choice = read_choice(data, name)
        if choice is None:
            return Resolved(bundle, None, "")
        if choice.instead_of != bundle.resolve():
            return Resolved(bundle, None, f"it replaces {choice.instead_of}, and not this folder")
        if choice.instead_of_version != version:
            reason = f"it replaces version {choice.instead_of_version}, and the folder has version {version} now"
            return Resolved(bundle, None, reason)
        _check(folder / _BUNDLE, name, kind=str(manifest.get("kind")))
    except BundleError as error:
        return Resolved(bundle, None, str(error))
    return Resolved(folder / _BUNDLE, choice, "")


def _former(data: Path, name: str) -> Path:
    return data / _SERVED / f".{name}.former"


def _check(bundle: Path, name: str, kind: str | None = None) -> None:
    """Check that a folder has an undamaged bundle of a model, of some kind."""
    manifest = read_json(bundle)
    if manifest.get("name") != name:
        raise BundleError(
            f"{bundle} is of the model {manifest.get('name')!r}, not {name!r}; train it with --name {name}"
        )
    if kind is not None and manifest.get("kind") != kind:
        raise BundleError(f"{bundle} is of the kind {manifest.get('kind')!r}, not {kind!r}; delete it")
    files = manifest.get("files")
    damaged = [MANIFEST] if not isinstance(files, Mapping) else []
    if isinstance(files, Mapping):
        for file, digest in files.items():
            with suppress(OSError):
                if sha256(bundle / file) == digest:
                    continue
            damaged.append(file)
    if damaged:
        raise BundleError(f"{bundle} is damaged: {', '.join(damaged)} missing or changed; choose it again")
