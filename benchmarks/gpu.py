"""Measure a GPU in one run of about ten minutes: networks, photos and forecasts through the service, and training.

    python -m benchmarks.gpu [--device cuda:0] [--seconds 10] [--part PART ...]

The service runs with Python workers behind the gateway. It is measured on the GPU and then on the CPU cores of the same
machine. The script prints each table when it is complete, so that an interrupted run keeps what was measured. With
`--device cpu` it proves that it works: the CPU stands in for the GPU, with the GPU's graphs and batches.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from benchmarks.load_generator.photos import read_photos
from pets.classifier import Classifier
from pets.graph import Rival, Target
from pets.images import open_photo
from pets.network import Run, gpu_network, onnx_network
from runtime.cores import n_cores
from runtime.gpu.network import PHOTO_SIZES
from sales import bundle as sales_bundle
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.ports import Ports
from serving.python.runner import PythonRunner
from serving.service import Service
from serving.tuning.load import measure_load
from training.device import fast_bfloat16
from training.loop.batches import TensorBatches
from training.loop.learner import Learner
from training.sales.model.network import TabularNet, emb_sz_rule

CODES = (1116, 8, 4, 13, 32, 3, 26, 27, 5, 4, 4, 24, 9, 13, 53, 22, 7, 7, 4, 4, 9, 9, 3, 3)
CONTS = 16


def main() -> None:
    """Print the tables of the chosen parts."""
    parts: dict[str, Callable[[argparse.Namespace], None]] = {
        "networks": print_networks,
        "photos": print_photos,
        "sales": print_sales,
        "training": print_training,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--part", action="append", choices=[*parts], help="what to measure; all if left out")
    parser.add_argument("--sales", type=Path, default=Path("model_store/demo"), help="sales bundle")
    parser.add_argument("--pets", type=Path, default=Path("model_store/pets"), help="pets bundle")
    parser.add_argument("--photos", type=Path, help="folder with images/ in it; generated photos if left out")
    parser.add_argument("--seconds", type=float, default=10, help="seconds of each measurement")
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of an epoch of training")
    args = parser.parse_args()
    name = torch.cuda.get_device_name(args.device) if args.device != "cpu" else "no GPU"
    print(f"{name}, {n_cores()} cores, onnxruntime {onnxruntime.__version__}, torch {torch.__version__}\n", flush=True)
    for part in args.part or parts:
        parts[part](args)


def print_networks(args: argparse.Namespace) -> None:
    """Print the milliseconds of the breed network by the size of a batch, without the service."""
    classifier = Classifier.load(args.pets, exact=True)
    folder, image = args.pets, classifier.manifest.image
    networks: dict[str, Run] = {
        "half precision, CUDA graphs": gpu_network(folder, image, args.device, cuda_graphs=True),
        "half precision": gpu_network(folder, image, args.device, cuda_graphs=False),
        "single precision": onnx_network(folder, image, args.device, 0),
    }
    pixels = classifier.crop(open_photo(read_photos(args.photos, 1)[0]))[0]
    print(f"| network, ms a batch of | {' | '.join(map(str, PHOTO_SIZES))} |")
    print("|---|" + "---:|" * len(PHOTO_SIZES))
    for name, run in networks.items():
        times = [_milliseconds(partial(_predict, run, np.stack([pixels] * size)), args.seconds) for size in PHOTO_SIZES]
        print(f"| {name} | {' | '.join(f'{found:.2f}' for found in times)} |", flush=True)
    print()


def _predict(run: Run, pixels: NDArray[np.uint8]) -> object:
    n_photos = len(pixels)
    return run(pixels, np.full(n_photos, Target.PREDICTED, np.int64), np.full(n_photos, Rival.NONE, np.int64))


def _milliseconds(call: Callable[[], object], seconds: float) -> float:
    """Return the median milliseconds of a call, over a tenth of the seconds and three calls at least."""
    times: list[float] = []
    call()
    until = time.perf_counter() + seconds / 10
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def print_photos(args: argparse.Namespace) -> None:
    """Print photos/s through the service, plain and with heatmap and overlay, by the number of workers."""
    photos = read_photos(args.photos, 16)
    print("| photos/s | plain | p50, ms | with overlay | p50, ms |\n|---|---:|---:|---:|---:|")
    on_gpu = args.device != "cpu"
    for name, cpu, workers in (("GPU, 1 worker", not on_gpu, 1), ("GPU, 2 workers", not on_gpu, 2), ("CPU", True, 0)):
        with _service(args.pets, cpu=cpu, gpu_settings=name != "CPU", workers=workers) as (service, model):
            loads = [
                _load(service, f"{model}{query}", photos, "image/jpeg", args)
                for query in ("", "?heatmap=gradcam&overlay=png")
            ]
        figures = " | ".join(f"{rate:,.0f} | {p50:.1f}" for rate, p50 in loads)
        print(f"| {name} | {figures} |", flush=True)
    print()


def print_sales(args: argparse.Namespace) -> None:
    """Print forecasts/s of requests for 42 days, on the GPU and on the CPU cores of the same machine."""
    manifest = sales_bundle.read_manifest(args.sales)
    start = str(manifest.cutoff + timedelta(days=1))
    stores = manifest.levels["Store"][:16]
    bodies = [
        json.dumps({"store": int(store) if str(store).isdigit() else store, "start": start, "days": 42}).encode()
        for store in stores
    ]
    print("| forecasts/s, 42 days a request | rate | p50, ms |\n|---|---:|---:|")
    on_gpu, rates = args.device != "cpu", []
    for name, cpu, workers in (("GPU, 1 worker", not on_gpu, 1), ("GPU, 4 workers", not on_gpu, 4), ("CPU", True, 0)):
        with _service(args.sales, cpu=cpu, gpu_settings=name != "CPU", workers=workers) as (service, model):
            rate, p50 = _load(service, model, bodies, "application/json", args)
        rates.append(42 * rate)
        print(f"| {name} | {42 * rate:,.0f} | {p50:.1f} |", flush=True)
    print(f"\nGPU against CPU: {max(rates[:-1]) / rates[-1]:.2f}\n", flush=True)


def print_training(args: argparse.Namespace) -> None:
    """Print the seconds of an epoch of the sales network on synthetic rows, the whole table on the device."""
    rng = np.random.default_rng(0)
    cats = torch.from_numpy(np.stack([rng.integers(0, codes, args.rows) for codes in CODES], 1).astype(np.int32))
    conts = torch.from_numpy(rng.normal(size=(args.rows, CONTS)).astype(np.float32))
    target = conts[:, 0] * 0.3 + 8.5
    print("| training, seconds an epoch | batch | seconds | rows/s |\n|---|---:|---:|---:|")
    for batch_size in (1024, 4096):
        torch.manual_seed(0)
        net = TabularNet([(codes, emb_sz_rule(codes)) for codes in CODES], CONTS, y_range=(0.0, 12.0))
        learner = Learner(
            net,
            torch.nn.functional.mse_loss,
            device=args.device,
            bfloat16=fast_bfloat16(args.device),
            progress=False,
        )
        tensors = (tensor.to(args.device) for tensor in (cats, conts, target))
        learner.fit_one_cycle(TensorBatches(*tensors, batch_size=batch_size), 2)
        seconds = learner.history.epochs[-1].seconds  # of the second epoch; the first one warms up
        print(
            f"| sales network on {args.device} | {batch_size} | {seconds:.2f} | {args.rows / seconds:,.0f} |",
            flush=True,
        )
    print()


@contextmanager
def _service(bundle: Path, *, cpu: bool, gpu_settings: bool, workers: int) -> Iterator[tuple[Service, str]]:
    """Run the service with a bundle behind the gateway, and yield it with the model's name."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, health_check_interval=None)
    with tempfile.TemporaryDirectory() as store:
        made = archive(bundle, Path(store), {"max_concurrent": 1000, "admission_limits": {}}, gpu=gpu_settings)
        with Service(config, lambda: [made], PythonRunner(workers, cpu)).running() as service:
            yield service, made.stem


def _load(
    service: Service, target: str, bodies: list[bytes], content_type: str, args: argparse.Namespace
) -> tuple[float, float]:
    """Return requests/s and the median latency of a busy service, after a warm-up."""
    url, headers = f"{service.config.url}/predictions/{target}", {"Content-Type": content_type}
    measure_load(url, bodies, headers, args.connections, args.seconds / 4, rejections=True)
    load = measure_load(url, bodies, headers, args.connections, args.seconds, rejections=True)
    return load.rate, load.p50


if __name__ == "__main__":
    main()
