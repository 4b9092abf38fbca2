"""What every training does around its fits: the model's name, and the folder from which it goes on."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import UserError
from runtime.lock import lock
from schemas.bundle import NAME


class OptionsError(UserError):
    """Training options that do not go together, or make no sense."""


class RunningError(UserError):
    """A training whose bundle another one is about to write."""


def check_name(name: str) -> None:
    """Ask before long work whether a model can have a name.

    Raises:
        OptionsError: if not.
    """
    if not re.fullmatch(NAME, name):
        raise OptionsError(f"name {name!r} can't be a model's: lower-case letters, digits, - and _, 40 at most")


@contextmanager
def checkpoints(out: Path, *, resume: bool = True) -> Iterator[Path]:
    """The folder beside a bundle in which its training keeps checkpoints, for this training alone.

    Args:
        out: the bundle's folder.
        resume: whether to go on from what an interrupted training left in it; else it is emptied.

    Yields:
        The folder. It goes when the block ends without an error.

    Raises:
        RunningError: if another training has it.
    """
    folder = out.with_name(f".{out.name}.checkpoint")
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder) as ours:
        if ours is False:
            raise RunningError(
                f"{out} is what another training is about to write, which works in {folder}; wait until it ends, or "
                "name another --out"
            )
        if not resume:
            for each in folder.iterdir():
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
