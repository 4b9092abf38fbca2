"""Which device computes: the one place that asks."""

from runtime.errors import UserError


class DeviceError(UserError):
    """A device that was asked for and is not there."""


def pick_device(wanted: str | None = None) -> str:
    """The device to compute on.

    Args:
        wanted: ``cpu``, ``cuda`` or ``cuda:N``; the first GPU if there is one, else the CPU, if left out.

    Returns:
        ``cpu`` or ``cuda:N``.

    Raises:
        DeviceError: if the device that was asked for is not there.
    """
    if wanted == "cpu":
        return "cpu"
    try:
        import torch  # here, so that what runs on a CPU alone starts without it

        gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    except ImportError as error:
        raise DeviceError(
            f"only torch can look for a GPU, and it is not here ({error}); choose the device cpu"
        ) from error
    if wanted is None:
        return "cuda:0" if gpus else "cpu"
    kind, _, index = wanted.partition(":")
    if kind != "cuda" or not (index or "0").isdecimal():
        raise DeviceError(f"device {wanted!r} is not known; use cpu, cuda or cuda:N")
    if int(index or 0) >= gpus:
        raise DeviceError(
            f"device {wanted!r} is not there: torch {torch.__version__} sees {gpus} CUDA devices; use cpu"
        )
    return f"cuda:{int(index or 0)}"


def fast_bfloat16(device: str) -> bool:
    """Whether a device computes matrix products in bfloat16 faster than in float32."""
    import torch

    if device != "cpu":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    ask = getattr(torch.cpu, "get_capabilities", None)  # older versions can't say
    capabilities = ask() if ask else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
