"""Compute pooled features once, so that a CPU can train a head in minutes.

A frozen backbone gives the same features for the same photo. So it runs a few times over augmented photos, and the head
is then trained on the stored features for any number of epochs.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm

from runtime.folder import write_file
from training.loop.batches import Batches
from training.loop.seeding import seeded
from training.pets.network import Head, PetNet


class Pooled(nn.Module):
    """A network up to its pooling, from photos to ``[B, P]``."""

    def __init__(self, net: PetNet) -> None:
        super().__init__()
        self.body, self.head = net.body, net.head

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled features."""
        return self.head.pool(self.body(images))


class PooledHead(nn.Module):
    """A head after its pooling, from ``[B, P]`` to logits. It shares its layers with the head."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.layers = head.layers

    def forward(self, pooled: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(pooled)
        return logits


def pooled_features(
    net: PetNet,
    batches: Batches,
    passes: int,
    *,
    device: str,
    bfloat16: bool,
    seed: int,
    file: Path | None = None,
    progress: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the pooled features and labels of several passes over augmented photos.

    Args:
        net: network whose backbone and pooling compute the features, in eval mode.
        batches: batches of photos and labels, augmented anew in each pass.
        passes: number of passes.
        device: device of the network.
        bfloat16: compute in bfloat16.
        seed: seed of the augmentation.
        file: file that stores the features for a resumed run, in an atomic write. An existing file is read.
        progress: show a progress bar; by default only on a terminal.

    Returns:
        ``[row, P]`` float32 and ``[row]`` int64, on the CPU.
    """
    if file is not None and file.exists():
        kept = load_file(file)
        return kept["features"], kept["labels"]
    net.eval()
    features, labels = [], []
    bar = tqdm(
        total=passes * len(batches), unit="batch", desc="features", disable=None if progress is None else not progress
    )
    precision = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bfloat16)
    with bar, torch.no_grad(), precision:
        for pass_index in range(passes):
            with seeded(seed + pass_index, torch.device(device)):
                for images, target in batches:
                    features.append(net.head.pool(net.body(images.to(device))).float().cpu())
                    labels.append(target)
                    bar.update()
    result = {"features": torch.cat(features), "labels": torch.cat(labels)}
    if file is not None:
        write_file(file, save(result))
    return result["features"], result["labels"]
