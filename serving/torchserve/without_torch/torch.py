"""Stand-in for torch in an installation that only serves.

TorchServe's worker imports torch to test whether a handler's answer is a tensor. Shopcat's answers are bytes, and
onnxruntime runs its networks. The real package takes gigabytes of disk and, with CUDA, 2 s and 0.5 GB of memory of each
worker. `serving.torchserve.server` puts this folder on the workers' import path if torch is not installed, so no other
program finds it.
"""

from typing import NoReturn


class Tensor:
    """Type of no answer."""


def __getattr__(name: str) -> NoReturn:
    """Raise the error of a missing module for every other name."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise ModuleNotFoundError(
        f"torch.{name} is needed, and torch is not installed; run `pip install 'shopcat[train]'`", name=f"torch.{name}"
    )
