"""Stands in for torch in an image that only serves.

TorchServe's worker imports torch to tell a tensor from bytes among a handler's answers. Ours are bytes, and networks
run in onnxruntime. The real one takes gigabytes of the image and, with CUDA, 2 s and 0.5 GB of memory of each worker.
"""

from typing import NoReturn


class Tensor:
    """What no answer of ours is an instance of."""


def __getattr__(name: str) -> NoReturn:
    """Refuse everything else, as a module that is not there does."""
    if name.startswith("__"):
        raise AttributeError(name)
    raise ModuleNotFoundError(
        f"torch.{name} is asked for, and this image serves without torch; train elsewhere", name=f"torch.{name}"
    )
