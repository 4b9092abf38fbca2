"""A training run's state in one safetensors file, written whole or not at all and opened without running any code.

The tensors are the run's; everything else is JSON in the file's header.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from runtime.errors import UserError
from runtime.folder import fsync

FORMAT = "shopcat-checkpoint-1"


class CheckpointError(UserError):
    """A checkpoint that can't be read or belongs to another run; the message says which and what to do."""


def save(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Writes the file beside its place, syncs it and moves it there: a reader finds the old one or the new one.

    Args:
        path: where the checkpoint goes; its folder exists.
        tensors: on any device; the file has them as they are on the CPU.
        state: what JSON can hold. Floats come back exactly.
    """
    whole = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    partial = path.with_name(f"{path.name}.partial")
    save_file(whole, partial, metadata={"format": FORMAT, "state": json.dumps(state)})
    fsync(partial)
    os.replace(partial, path)
    fsync(path.parent)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the state of a file that ``save`` wrote.

    Raises:
        CheckpointError: if the file is damaged, something else, or of an unknown format version.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} can't be read as a checkpoint ({error}); delete it to start over") from error
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has the format {metadata.get('format')!r}, this version reads {FORMAT!r}; delete it to start over"
        )
    return tensors, json.loads(metadata["state"])


def check_same(path: Path, what: str, saved: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuses to continue a run that was started with something else.

    Args:
        path: the checkpoint, for the message.
        what: what is compared, for the message.
        saved: as read from the checkpoint.
        ours: of this run; tuples and numpy numbers count as what JSON makes of them.

    Raises:
        CheckpointError: naming each entry that differs, with both values.
    """
    ours = json.loads(json.dumps(ours))
    differing = [
        f"{name} is {ours.get(name)!r} here and {saved.get(name)!r} there"
        for name in sorted({*saved, *ours})
        if name not in saved or name not in ours or saved[name] != ours[name]
    ]
    if differing:
        raise CheckpointError(
            f"{path} belongs to another run ({what}): {'; '.join(differing)}. "
            "Start anew with --fresh, or run with what it was started with"
        )


def group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it.

    >>> import torch
    >>> group({"model.bias": torch.zeros(1), "optimizer.step": torch.ones(1)}, "model.")
    {'bias': tensor([0.])}
    """
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
