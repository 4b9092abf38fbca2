"""State of an interrupted training run, as its checkpoint holds it."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.loop import checkpoint as checkpoints
from training.loop.checkpoint import CheckpointError
from training.loop.history import Epoch, History

logger = logging.getLogger(__name__)


@dataclass
class Resume:
    """State of the stage in which a checkpoint was saved.

    Attributes:
        fingerprint: data and options that must be the same to resume.
        stages: settings of each stage up to this one.
        epochs: number of finished epochs of this stage.
        optimizer: tensors of the optimizer's state.
    """

    fingerprint: dict[str, Any]
    stages: list[dict[str, Any]]
    epochs: int
    optimizer: dict[str, Tensor]


def save_run(path: Path, modules: Mapping[str, nn.Module], history: History, resume: Resume) -> None:
    """Save a run atomically.

    Args:
        path: file of the checkpoint.
        modules: networks of the run, by name.
        history: history of the run.
        resume: state of the current stage.
    """
    tensors = {f"{name}.{key}": tensor for name, net in modules.items() for key, tensor in net.state_dict().items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in resume.optimizer.items()}
    tensors["losses"] = torch.tensor(history.losses, dtype=torch.float64)
    tensors["lrs"] = torch.tensor(history.lrs, dtype=torch.float64)
    state = {"fingerprint": resume.fingerprint, "stages": resume.stages, "epochs": resume.epochs}
    checkpoints.save(path, tensors, {**state, "history": [asdict(epoch) for epoch in history.epochs]})


def load_run(path: Path, modules: Mapping[str, nn.Module], fingerprint: Mapping[str, Any]) -> tuple[History, Resume]:
    """Load a run into its networks, and return its history and the state of its last stage.

    Args:
        path: file of the checkpoint.
        modules: networks of the run, by name; they get the saved weights.
        fingerprint: data and options of this run.

    Raises:
        CheckpointError: if the checkpoint is damaged or belongs to another run.
    """
    tensors, state = checkpoints.load(path)
    checkpoints.check_same(path, "data and options", state["fingerprint"], fingerprint)
    try:
        for name, net in modules.items():
            net.load_state_dict(checkpoints.group(tensors, f"{name}."))
    except RuntimeError as error:
        raise CheckpointError(f"{path} belongs to another network; delete it to start over. {error}") from error
    epochs = [Epoch(**epoch) for epoch in state["history"]]
    logger.info("%s: going on after epoch %d", path, len(epochs))
    optimizer = checkpoints.group(tensors, "optimizer.")
    return (
        History(tensors["losses"].tolist(), tensors["lrs"].tolist(), epochs),
        Resume(state["fingerprint"], state["stages"], state["epochs"], optimizer),
    )
