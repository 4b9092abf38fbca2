"""Devices as torch sees them: the training device, its fastest number format, and the memory and threads of a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from runtime.device import pick_device
from training.batches import Batches, TensorBatches
from training.malloc import keep_freed_memory
from training.threads import threads_for


def pick_training_device(wanted: str | None = None) -> str:
    """Return the device to train on; arguments and errors as for `runtime.device.pick_device`."""
    return pick_device(wanted, count=lambda: torch.cuda.device_count() if torch.cuda.is_available() else 0)


def fast_bfloat16(device: str) -> bool:
    """Return whether a device computes matrix products in bfloat16 faster than in float32."""
    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    ask = getattr(torch.cpu, "get_capabilities", None)  # older versions can't say
    capabilities = ask() if ask else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@contextmanager
def cpu_resources(device: torch.device, batches: Batches) -> Iterator[None]:
    """Set up memory and threads for the training in the block, if the device is a CPU.

    Args:
        device: device that trains.
        batches: batches to train on. Rows in memory go through dense layers, so the size of the batch decides about
            the threads; photos gain from all threads.
    """
    if device.type != "cpu":
        yield
        return
    keep_freed_memory()
    with threads_for(batches.batch_size) if isinstance(batches, TensorBatches) else nullcontext():
        yield
