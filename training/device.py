"""Devices as torch sees them: the device that trains, and the number format that it computes fastest in."""

import torch

from runtime.device import pick_device


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
