"""Batches for training, and predictions for all rows."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Batches(Protocol):
    """Batches of one epoch: each has the model's inputs and, last, the target. A torch DataLoader is one.

    The order and any augmentation must come from torch's global generator, which the learner seeds for each epoch.
    """

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Sequence[Tensor]]: ...


class TensorBatches:
    """Batches of tensors in memory, in a new random order each epoch.

    A short last batch is left out, as in fastai: batch norm trains badly on few rows, and not at all on one. The next
    epoch leaves out other rows. Fewer rows than ``batch_size`` form one batch.

    Args:
        tensors: the inputs and, last, the target; all with the same number of rows, on one device.
        batch_size: rows in a batch, at least 2.
        shuffle: draw a new order from torch's global generator each time.
        weights: ``[row]``, frequency of each row relative to the others; an epoch stays as long. If None, each
            row is drawn once.

    Raises:
        ValueError: if the tensors differ in length, there are fewer than 2 rows, or ``batch_size`` is below 2.

    >>> [x.tolist() for x, in TensorBatches(torch.arange(5), batch_size=2, shuffle=False)]
    [[0, 1], [2, 3]]
    """

    def __init__(self, *tensors: Tensor, batch_size: int, shuffle: bool = True, weights: Tensor | None = None) -> None:
        rows = {len(tensor) for tensor in tensors}
        if len(rows) != 1:
            raise ValueError(f"inputs and target must have equally many rows; they have {[len(t) for t in tensors]}")
        self.rows = rows.pop()
        if self.rows < 2 or batch_size < 2:
            raise ValueError(f"training needs 2 rows in a batch; there are {self.rows} and batch_size is {batch_size}")
        self.tensors, self.batch_size, self.shuffle, self.weights = tensors, batch_size, shuffle, weights

    def __len__(self) -> int:
        return max(self.rows // self.batch_size, 1)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        device = self.tensors[0].device
        if self.weights is not None:
            order = torch.multinomial(self.weights, self.rows, replacement=True).to(device)
        else:
            order = torch.randperm(self.rows, device=device) if self.shuffle else torch.arange(self.rows, device=device)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield tuple(tensor.index_select(0, rows) for tensor in self.tensors)


def predict(
    model: nn.Module, *inputs: Tensor, batch_size: int = 8192, device: torch.device | str = "cpu"
) -> NDArray[np.float32]:
    """Return the model's output for all rows, computed in eval mode; its mode is then restored.

    Args:
        model: network on ``device``.
        inputs: tensors of shape ``[row, ...]``.
        batch_size: number of rows at a time.
        device: device to compute on.

    Returns:
        ``[row, ...]``, the output.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            outputs = [
                model(*(tensor[start : start + batch_size].to(device) for tensor in inputs)).float().cpu()
                for start in range(0, len(inputs[0]), batch_size)
            ]
    finally:
        model.train(was_training)
    return torch.cat(outputs).numpy()
