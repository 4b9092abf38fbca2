"""Choice of the device that runs networks. Only this module and `training.device` look for GPUs."""

import ctypes
import sys
from collections.abc import Callable

from runtime.errors import UserError


class DeviceError(UserError):
    """The requested device does not exist."""


def count_gpus() -> int:
    """Return the number of GPUs that onnxruntime can use; 0 without CUDA's driver or without an onnxruntime for CUDA.

    The driver counts them, so that ``CUDA_VISIBLE_DEVICES`` is respected.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    import onnxruntime  # late, because a process that only starts workers does not need it on a machine without a GPU

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return 0
    count = ctypes.c_int()
    # Both functions return 0 for success (CUDA driver API, cuInit and cuDeviceGetCount).
    return 0 if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) else count.value


def pick_device(wanted: str | None = None, *, count: Callable[[], int] = count_gpus) -> str:
    """Return the device to compute on.

    Args:
        wanted: ``cpu``, ``cuda`` or ``cuda:N``. The default is the first GPU, or the CPU if there is no GPU.
        count: function that returns the number of usable GPUs; not called for ``cpu``.

    Returns:
        ``cpu`` or ``cuda:N``.

    Raises:
        DeviceError: if the requested device does not exist.
    """
    if wanted == "cpu":
        return "cpu"
    kind, _, index = (wanted or "cuda").partition(":")
    if kind != "cuda" or not (index or "0").isdecimal() or wanted == "":
        raise DeviceError(f"device {wanted!r} is not known; use cpu, cuda or cuda:N")
    gpus = count()
    if wanted is None:
        return "cuda:0" if gpus else "cpu"
    if int(index or 0) >= gpus:
        raise DeviceError(f"device {wanted!r} is not there: {gpus} CUDA devices can be used; use cpu")
    return f"cuda:{int(index or 0)}"


def device_parts(device: str) -> tuple[str, int]:
    """Return the kind and the number of a device.

    >>> device_parts("cuda:1"), device_parts("cpu")
    (('cuda', 1), ('cpu', 0))
    """
    kind, _, index = device.partition(":")
    return kind, int(index or 0)
