"""The folder in which a training keeps its checkpoints."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runtime.errors import UserError
from runtime.lock import lock

_OPTIONS = "options.json"  # options of the training that left the checkpoints


class RunningError(UserError):
    """Another process is already training this bundle."""


@contextmanager
def checkpoints(out: Path, *, resume: bool = True, options: Mapping[str, Any] | None = None) -> Iterator[Path]:
    """Lock the checkpoint folder beside a bundle for the training in the block.

    Args:
        out: the bundle's folder.
        resume: keep the checkpoints that an interrupted training left; otherwise the folder is emptied.
        options: options of the training, as JSON values; None if `check_options` is not used.

    Yields:
        The folder. It is deleted when the block ends without an error.

    Raises:
        RunningError: if another training has locked it.
        CheckpointError: if the checkpoints belong to other options.
    """
    folder = _folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder) as ours:
        if ours is False:
            raise RunningError(
                f"{out} is being written by another training, which works in {folder}; wait until it ends, or "
                "name another --out"
            )
        if not resume:
            for entry in folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        if options is not None:
            check_options(out, options)
            (folder / _OPTIONS).write_text(json.dumps(options), encoding="utf-8")
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def check_options(out: Path, options: Mapping[str, Any]) -> None:
    """Check that the checkpoints beside a bundle belong to a training with these options, if there are any.

    A command calls it before it reads tables, which can take many seconds.

    Raises:
        CheckpointError: if they belong to other options.
    """
    from training.loop.checkpoint import check_same  # imports torch

    file = _folder(out) / _OPTIONS
    try:
        saved = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # each checkpoint is checked again when it is read
    if any(entry != file for entry in file.parent.iterdir()):
        check_same(file, "options", saved, options)


def _folder(out: Path) -> Path:
    """Return the folder of the checkpoints beside a bundle."""
    return out.with_name(f".{out.name}.checkpoint")
