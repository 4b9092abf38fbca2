"""Steps of a worker's start in a process of their own, with the CPU time and private memory that each adds.

    python -m benchmarks.start.steps BUNDLE

It prints a line of JSON. Its own imports are those that Python itself makes at each start.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Step = tuple[str, Callable[[], Any]]


def private_bytes() -> int:
    """Return the memory of this process that would be free without it."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_"))


def worker_steps(bundle: Path) -> Iterator[Step]:
    """Yield the steps in which a worker of the runner in Python loads a bundle of any kind."""
    for package in ("numpy", "onnxruntime", "pydantic", "prometheus_client", "handlers.python.server"):
        yield package, lambda package=package: importlib.import_module(package)  # type: ignore[misc]
    from runtime.bundle import kind_of

    kind = kind_of(bundle)
    yield f"handlers.{kind}", lambda: importlib.import_module(f"handlers.{kind}")
    yield from sales_steps(bundle) if kind == "sales" else pets_steps(bundle)


def sales_steps(bundle: Path) -> Iterator[Step]:
    """Yield the steps in which `Forecaster.load` loads a bundle."""
    from sales import bundle as bundles
    from sales.forecaster import Forecaster
    from sales.network import onnx_network

    kept: dict[str, Any] = {}
    yield "files of the bundle", lambda: kept.update(bundle=bundles.load(bundle))
    yield "network in onnxruntime", lambda: kept.update(run=onnx_network(kept["bundle"], "cpu", 1))
    yield "columns of all stores and days", lambda: kept.update(model=Forecaster.of(kept["bundle"], kept["run"]))
    yield "golden rows", lambda: kept["model"].verify(kept["bundle"])


def pets_steps(bundle: Path) -> Iterator[Step]:
    """Yield the steps in which `Classifier.load` loads a bundle, in 8 bits where that is faster."""
    from pets import bundle as bundles
    from pets.bundle import INT8_NETWORK
    from pets.classifier import Classifier
    from pets.golden import verify
    from pets.network import onnx_network
    from runtime.bundle import NETWORK
    from runtime.session import int8_is_fast

    kept: dict[str, Any] = {}
    int8 = int8_is_fast() and (bundle / INT8_NETWORK).is_file()
    network = INT8_NETWORK if int8 else NETWORK
    yield "files of the bundle", lambda: kept.update(bundle=bundles.load(bundle))
    yield (
        "network in onnxruntime",
        lambda: kept.update(run=onnx_network(bundle, kept["bundle"].manifest.image, "cpu", 1, network)),
    )

    def check() -> None:
        model = Classifier(kept["bundle"].manifest, kept["run"], precision="int8" if int8 else "single")
        verify(model, kept["bundle"])

    yield "golden pictures", check


def measure(bundle: Path) -> dict[str, tuple[float, int]]:
    """Return the CPU seconds and the private bytes that each step adds, in order."""
    figures = {"interpreter": (time.process_time(), private_bytes())}
    steps = worker_steps(bundle)
    while True:
        seconds, memory = time.process_time(), private_bytes()
        step = next(steps, None)  # it imports modules of the next steps, which count for them
        if step is None:
            return figures
        name, run = step
        run()
        figures[name] = time.process_time() - seconds, private_bytes() - memory


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))
