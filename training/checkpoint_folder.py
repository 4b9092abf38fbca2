"""The folder in which a training keeps its checkpoints."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import UserError
from runtime.lock import lock


class RunningError(UserError):
    """Another process is already training this bundle."""


@contextmanager
def checkpoints(out: Path, *, resume: bool = True) -> Iterator[Path]:
    """Lock the checkpoint folder beside a bundle for the training in the block.

    Args:
        out: the bundle's folder.
        resume: keep the checkpoints that an interrupted training left; otherwise the folder is emptied.

    Yields:
        The folder. It is deleted when the block ends without an error.

    Raises:
        RunningError: if another training has locked it.
    """
    folder = out.with_name(f".{out.name}.checkpoint")
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
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
