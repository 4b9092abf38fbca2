"""Rows of photos: over HTTP, and steps of a request in one process, beside what users would take instead."""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from benchmarks.heatmaps.cost import CLOSED, LIBRARY, PLAIN, TORCH, export_plain, in_turns, networks, request_calls
from benchmarks.heatmaps.networks import open_net
from benchmarks.load_generator.photos import read_photos
from benchmarks.servers.plain_pets import PlainClassifier
from benchmarks.table import sales
from benchmarks.table.record import Result
from benchmarks.table.sales import BARE_PYTHON, FASTAPI, PEERS, PYTHON, TORCHSERVE
from pets.bundle import INT8_NETWORK
from pets.classifier import Classifier
from pets.images import crop, normalise, open_photo
from runtime.cores import n_cores

INT8_FASTAPI = f"{FASTAPI}, 8 bits"
_PHOTOS = 8


def rows(bundle: Path, data: Path | None, *, rounds: int, seconds: float) -> tuple[list[Result], str]:
    """Measure photos over HTTP with 8 and 32 connections; return the results and a description.

    Args:
        bundle: folder of the bundle.
        data: folder with photos; generated ones if None.
        rounds: number of rounds.
        seconds: seconds of each measurement.
    """
    photos, ours = read_photos(data, _PHOTOS), (PYTHON, TORCHSERVE, BARE_PYTHON)
    names = (*ours, FASTAPI, *PEERS)
    with _plain(bundle) as plain, sales.servers(bundle, names, SHOPCAT_PLAIN=str(plain)) as urls:
        loads = sales.in_turns(
            urls,
            photos,
            connections=(8, 32),
            rounds=rounds,
            seconds=seconds,
            content_type="image/jpeg",
            rejections=True,
        )
    results = [
        Result.of(
            f"{name}, {number} connections",
            peer,
            [load.rate for load in loads[number, name]],
            [load.rate for load in loads[number, peer]],
            unit="photos/s",
            goal=2 if peer == FASTAPI else None,
        )
        for peer in (FASTAPI, *PEERS)
        for name in ours
        for number in (8, 32)
    ]
    size = statistics.median(map(len, photos))
    about = (
        f"Photos of {size:,.0f} bytes by the bundle {bundle.name}, with {n_cores()} workers a server. The peers "
        f"run the network in single precision. Rejected requests do not count; medians of {rounds} rounds."
    )
    return results, about


def step_rows(bundle: Path, data: Path | None, *, rounds: int) -> tuple[list[Result], str]:
    """Measure requests and heatmaps in one process, in CPU time; return the results and a description."""
    torch.set_num_threads(1)
    (photo,) = read_photos(data, 1)
    manifest, net = open_net(bundle)
    classifier = Classifier.load(bundle)
    pixels = crop(open_photo(photo), manifest.image.size, manifest.image.crop_pct)[0]
    images = normalise(pixels[None], manifest.image.mean, manifest.image.std)
    with _plain(bundle) as plain:
        requests, _ = request_calls(classifier, photo)
        exact, _ = request_calls(Classifier.load(bundle, exact=True), photo)
        heatmaps = networks(bundle, net, plain, images)
        calls: dict[str, Callable[[], object]] = {
            **requests,
            "single precision": exact["without heatmap"],
            FASTAPI: partial(PlainClassifier(bundle, plain).answer, photo),
            INT8_FASTAPI: partial(PlainClassifier(bundle, bundle / INT8_NETWORK).answer, photo),
            "network": lambda: classifier.run_network([pixels]),
            **{name: heatmaps[name] for name in (PLAIN, TORCH, CLOSED, LIBRARY)},
        }
        times = in_turns(calls, 3 * rounds)

    def faster(what: str, ours: str, peer: str, theirs: str, goal: float | None = None) -> Result:
        rates = [[1e3 / time for time in times[name]] for name in (ours, theirs)]
        return Result.of(what, peer, *rates, unit="per second of CPU time", goal=goal)

    plain_request, painted = "without heatmap", "Grad-CAM's grid and overlay"
    results = [
        faster("a photo", plain_request, FASTAPI, FASTAPI, 2),
        faster("a photo", plain_request, "the same with the network in 8 bits", INT8_FASTAPI),
        faster("a photo", plain_request, "the same in single precision", "single precision"),
        faster("a photo with heatmap and overlay", painted, "a photo", plain_request, 0.7),
        faster("the network in single precision", PLAIN, "torch eager", TORCH),
        faster("Grad-CAM as served, with preparation", "network", "grad-cam library on torch", LIBRARY, 3),
        faster("Grad-CAM in closed form on torch", CLOSED, "grad-cam library on torch", LIBRARY, 3),
    ]
    bits = "8 bits" if classifier.precision == "int8" else "single precision"
    about = f"One photo of {len(photo):,} bytes by the bundle {bundle.name} in {bits}, one thread, CPU time."
    return results, f"{about} Medians of {3 * rounds} rounds."


@contextmanager
def _plain(bundle: Path) -> Iterator[Path]:
    """Yield the file of the bundle's network with its logits alone."""
    manifest, net = open_net(bundle)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plain.onnx")
        file.write_bytes(export_plain(net, manifest.image))
        yield file
