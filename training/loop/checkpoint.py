"""Checkpoint of a training run: one safetensors file, written atomically and opened without running any code.

Everything that is not a tensor is JSON in the file's header.
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
    """A checkpoint that can't be read or belongs to another run; the message names the cause and the remedy."""


def save(path: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: a reader finds the old file or the new one.

    Args:
        path: file of the checkpoint; its folder must exist.
        tensors: tensors on any device.
        state: values that JSON can hold. Floats are restored exactly.
    """
    arrays = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    partial = path.with_name(f"{path.name}.partial")
    save_file(arrays, partial, metadata={"format": FORMAT, "state": json.dumps(state)})
    fsync(partial)
    os.replace(partial, path)
    fsync(path.parent)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors, on the CPU, and the state of a file that ``save`` wrote.

    Raises:
        CheckpointError: if the file is damaged, is no checkpoint, or has an unknown format version.
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
    """Check that a run is the one that a checkpoint belongs to.

    Args:
        path: file of the checkpoint, for the message.
        what: name of the compared values, for the message.
        saved: values from the checkpoint.
        ours: values of this run, compared as JSON would store them.

    Raises:
        CheckpointError: if they differ; the message names each entry that does, with both values.
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
    """Return the tensors whose names start with a prefix, without the prefix.

    >>> import torch
    >>> group({"model.bias": torch.zeros(1), "optimizer.step": torch.ones(1)}, "model.")
    {'bias': tensor([0.])}
    """
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
