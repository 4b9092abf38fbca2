"""Training a head on features that are computed once, which is what makes it bearable on a CPU.

While the backbone is frozen it gives the same features for the same photo. So a few augmented passes over the photos
are kept as features, a head is trained on them for as long as it takes, and the backbone has run once for each.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import tqdm

from runtime.folder import write_file
from training.batches import Batches
from training.learner import seeded
from training.pets.network import Head, PetNet


class Pooled(nn.Module):
    """A network up to its pooling: photos to ``[B, P]``."""

    def __init__(self, net: PetNet) -> None:
        super().__init__()
        self.body, self.head = net.body, net.head

    def forward(self, images: Tensor) -> Tensor:
        """The pooled features."""
        return self.head.pool(self.body(images))


class PooledHead(nn.Module):
    """A head on features that are pooled already: ``[B, P]`` to logits. It shares its layers with the head."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.layers = head.layers

    def forward(self, pooled: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.layers(pooled)
        return logits


def collect(
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
    """The pooled features and labels of some passes over augmented photos.

    Args:
        net: whose backbone and pooling are asked, in eval mode.
        batches: of photos and labels, new ones in each pass.
        passes: how many.
        device: where the network is.
        bfloat16: whether to compute in it.
        seed: of the augmentation.
        file: where they are kept for a run that goes on after an interruption; it appears whole or not at all.
        progress: show a bar; only on a terminal if left out.

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
        for number in range(passes):
            with seeded(seed + number, torch.device(device)):
                for images, target in batches:
                    features.append(net.head.pool(net.body(images.to(device))).float().cpu())
                    labels.append(target)
                    bar.update()
    result = {"features": torch.cat(features), "labels": torch.cat(labels)}
    if file is not None:
        write_file(file, save(result))
    return result["features"], result["labels"]
