"""What every bundle is: a folder with ``bundle.json``, a manifest that lists the hash of every other file in it.

bundle.json         the manifest
weights.safetensors the network's weights
model.onnx          the network as a graph, which serves
golden.json         inputs, and what training computed for them
MODEL_CARD.md       what it is for, and what not

Errors::

    BundleError(UserError)   the folder is not a bundle, is damaged, or is of a format that is not known
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from runtime.errors import UserError
from runtime.folder import sha256

MANIFEST = "bundle.json"
WEIGHTS = "weights.safetensors"
NETWORK = "model.onnx"
GOLDEN = "golden.json"
CARD = "MODEL_CARD.md"

Golden = list[dict[str, Any]]


class BundleError(UserError):
    """A folder that can't be taken for a bundle; the message names the file and what is wrong with it."""


class _Lists(Protocol):
    """A manifest: it lists the sha256 of every other file."""

    @property
    def files(self) -> dict[str, str]: ...


M = TypeVar("M", bound=BaseModel)


def kind_of(folder: Path) -> str:
    """Which kind of model a bundle holds, as its manifest says.

    Raises:
        BundleError: if there is no manifest.
    """
    return str(_read(folder).get("kind"))


def read_manifest(folder: Path, model: type[M], *, kind: str, format_version: int) -> M:
    """Read ``bundle.json`` alone.

    Args:
        folder: the bundle.
        model: the manifest's type.
        kind: the kind of bundle, for messages.
        format_version: the one that this version of shopcat reads.

    Raises:
        BundleError: if there is none, or it is not one that this version reads.
    """
    content, file = _read(folder), folder / MANIFEST
    if content.get("format_version") != format_version:
        raise BundleError(
            f"{file} has the format version {content.get('format_version')!r}; this version of shopcat reads "
            f"{format_version}: export it again, or use the version that wrote it"
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BundleError(f"{file} is not a {kind} bundle's: {where}: {first['msg']}") from None


def finish(
    folder: Path,
    model: type[M],
    manifest: Mapping[str, Any],
    files: Sequence[str],
    *,
    golden: Golden,
    card: str,
    of: dt.date,
) -> M:
    """Write what every bundle ends with: the golden rows, the model card and the manifest.

    Args:
        folder: the bundle, with its weights, its network and what else its kind has.
        model: the manifest's type.
        manifest: its fields but ``version`` and ``files``, which follow from the content.
        files: all that the bundle has but the manifest.
        golden: inputs and what training computed for them.
        card: the model card's text.
        of: the day that the version names.
    """
    (folder / GOLDEN).write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    hashes = {name: sha256(folder / name) for name in files}
    whole = model.model_validate({**manifest, "version": f"{of:%Y%m%d}-{hashes[WEIGHTS][:8]}", "files": hashes})
    (folder / MANIFEST).write_text(whole.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return whole


def check_files(folder: Path, manifest: _Lists, expected: Sequence[str]) -> None:
    """Verify that a bundle has the files that its manifest lists, unchanged, and no others.

    Args:
        folder: the bundle.
        manifest: as read from it.
        expected: files that every bundle of the kind has.

    Raises:
        BundleError: naming each file that is missing, changed, or there without being listed.
    """
    there = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir()} - {MANIFEST}
    missing, foreign = sorted({*expected, *manifest.files} - there), sorted(there - set(manifest.files))
    try:
        changed = [n for n, digest in manifest.files.items() if n in there and sha256(folder / n) != digest]
    except OSError as error:
        raise BundleError(f"{error.filename} can't be read: {error.strerror}") from None
    faults = [
        f"{what} {', '.join(names)}"
        for what, names in (("missing:", missing), ("not listed in it:", foreign), ("changed since:", changed))
        if names
    ]
    if faults:
        raise BundleError(f"{folder} is not as its {MANIFEST} says ({'; '.join(faults)}); export it again")


def _read(folder: Path) -> dict[str, object]:
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
