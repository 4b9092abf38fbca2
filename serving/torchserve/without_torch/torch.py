"""Stand-in for torch in TorchServe's workers.

TorchServe's worker imports torch to test whether a handler's answer is a tensor. Shopcat's answers are bytes, and
onnxruntime runs its networks. The real package takes 2 s of CPU time at the start and 260 MiB of memory of each worker.
`serving.torchserve.server` puts this folder on the workers' import path, so no other program finds it.
"""

from typing import NoReturn


class Tensor:
    """Type of no answer."""


def __getattr__(name: str) -> NoReturn:
    """Raise the error of a missing module for every other name."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise ModuleNotFoundError(
        f"torch.{name} is needed, and TorchServe's workers have no torch; export the network to ONNX",
        name=f"torch.{name}",
    )
