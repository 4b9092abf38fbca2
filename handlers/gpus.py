"""GPUs that the workers of a server may use, from ``CUDA_VISIBLE_DEVICES``.

The variable lists numbers, UUIDs or MIG devices. TorchServe's front end reads numbers only and ends at a UUID. CUDA
shows a process one MIG device at most. So each runner gets the list's positions, and each worker selects its entry.
"""

import os
from collections.abc import Mapping

VISIBLE = "CUDA_VISIBLE_DEVICES"
LISTED = "SHOPCAT_GPUS"  # the list as it was, for the workers


def listed_gpus(value: str | None) -> list[str] | None:
    """Return the entries of ``CUDA_VISIBLE_DEVICES`` that CUDA uses; None if it uses all GPUs.

    CUDA stops at the first entry that is not a device.

    >>> listed_gpus("GPU-8a2f, GPU-77b1")
    ['GPU-8a2f', 'GPU-77b1']
    >>> listed_gpus("0,-1,1"), listed_gpus(""), listed_gpus(None)
    (['0'], [], None)
    """
    if value is None:
        return None
    gpus = []
    for entry in value.split(","):
        gpu = entry.strip()
        if not (gpu.isdecimal() or gpu.startswith(("GPU-", "MIG-"))):
            break
        gpus.append(gpu)
    return gpus


def gpu_environment(gpus: list[str] | None) -> Mapping[str, str]:
    """Return the environment variables of a server that may use these GPUs.

    >>> gpu_environment(["GPU-8a2f", "GPU-77b1"])
    {'CUDA_VISIBLE_DEVICES': '0,1', 'SHOPCAT_GPUS': 'GPU-8a2f,GPU-77b1'}
    """
    return {VISIBLE: ",".join(map(str, range(len(gpus)))), LISTED: ",".join(gpus)} if gpus else {}


def select_gpu(number: int | None) -> str:
    """Select the GPU of this worker and return the device; call it before CUDA is used.

    Args:
        number: position of the GPU in the list; None for a worker on the CPU.
    """
    if number is None:
        return "cpu"
    listed = os.environ.get(LISTED)
    if listed is None:
        return f"cuda:{number}"
    os.environ[VISIBLE] = listed.split(",")[number]
    return "cuda:0"
