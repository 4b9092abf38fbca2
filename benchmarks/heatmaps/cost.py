"""Measure the cost of a heatmap: against the plain network, against the grad-cam library, and within a request.

    python -m benchmarks.heatmaps.cost BUNDLE [--batch 1 8] [--rounds 15] [--data DATA]

The plain network is the bundle's, exported with its logits alone. DATA is a folder in the layout of the Oxford-IIIT Pet
Dataset (images/); without it the photos are generated.

Every variant runs on one thread, once in each round. The script counts CPU time of the process, so that other load on
the machine does not matter. Figures are medians over the rounds; ratios are medians of the ratios within a round.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import GradCAM
from threadpoolctl import threadpool_limits

from benchmarks.heatmaps.networks import open_net
from benchmarks.load_generator.photos import read_photos
from benchmarks.markdown import table_row
from pets.classifier import Classifier
from pets.graph import Rival, Target
from pets.heatmap import overlay
from pets.images import crop, normalise, open_photo
from runtime.bundle import NETWORK
from runtime.session import open_session
from schemas.pets.manifest import ImageSpec
from schemas.pets.request import PetRequest
from training.export import to_onnx
from training.pets.network import ExplainedNet, PetNet

PLAIN, BOTH, TORCH, CLOSED, LIBRARY = (
    "ONNX, logits alone",
    "ONNX, with both heatmaps: the bundle's",
    "torch, logits alone",
    "torch, with both heatmaps in closed form",
    "torch, grad-cam library",
)
BASE = {BOTH: PLAIN, CLOSED: TORCH, LIBRARY: TORCH}  # variant: the variant that it is compared with

CALLS = 4  # in a row

Calls = Mapping[str, Callable[[], object]]
Times = Mapping[str, list[float]]  # milliseconds of each round, by variant


def in_turns(calls: Calls, rounds: int) -> Times:
    """Return milliseconds of CPU time of each call in each round, the mean of some calls.

    Uncounted calls before them warm the caches, and bring back the memory that other calls have given up.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    # One thread, as in a worker: otherwise a second one of BLAS would wait in a loop, beside calls of others too.
    with threadpool_limits(1, "blas"):
        for _ in range(rounds):
            for name, call in calls.items():
                for _ in range(CALLS):
                    call()
                start = time.process_time()
                for _ in range(CALLS):
                    call()
                times[name].append(1e3 * (time.process_time() - start) / CALLS)
    return times


def ratio(times: Times, name: str, base: str) -> float:
    """Return the median of the ratios of two variants' times within a round."""
    return median(one / other for one, other in zip(times[name], times[base], strict=True))


def export_plain(net: PetNet, image: ImageSpec) -> bytes:
    """Export a network without heatmaps: an ONNX file with the input ``images`` and the output ``logits``."""
    return to_onnx(net, (torch.zeros((2, 3, image.size, image.size)),), ["images"], ["logits"])


def networks(bundle: Path, net: PetNet, plain: Path, images: NDArray[np.float32]) -> Calls:
    """Return a function for each variant, from images to logits and heatmaps."""
    without, with_maps = open_session(plain, "cpu"), open_session(bundle / NETWORK, "cpu")
    explained, tensor = ExplainedNet(net).eval(), torch.from_numpy(images)
    target, rival = (np.full(len(images), value, np.int64) for value in (Target.PREDICTED, Rival.NONE))

    def by_library() -> object:
        with GradCAM(net, [net.body]) as cam:  # the hooks exist during this call alone
            return cam(tensor, None)

    @torch.inference_mode()
    def by_torch() -> object:
        return net(tensor)

    @torch.inference_mode()
    def in_closed_form() -> object:
        return explained(tensor, torch.from_numpy(target), torch.from_numpy(rival))

    return {
        PLAIN: lambda: without.run(None, {"images": images}),
        BOTH: lambda: with_maps.run(None, {"images": images, "target": target, "rival": rival}),
        TORCH: by_torch,
        CLOSED: in_closed_form,
        LIBRARY: by_library,
    }


def request_calls(classifier: Classifier, content: bytes) -> tuple[Calls, Calls]:
    """Return functions for whole requests, from photo bytes to answer bytes, and for the steps of a request."""
    image = classifier.manifest.image
    photo = open_photo(content)
    pixels, box = crop(photo, image.size, image.crop_pct)
    output = classifier.run_network([pixels])

    def request(**options: str) -> Callable[[], object]:
        def call() -> bytes:
            parsed = PetRequest.model_validate({"image": content, **options})
            (answer,) = classifier.predict([classifier.prepare(parsed)])
            return answer.to_json()

        return call

    requests = {
        "without heatmap": request(),
        "Grad-CAM's grid": request(heatmap="gradcam", overlay="none"),
        "Grad-CAM's grid and overlay": request(heatmap="gradcam"),
    }
    steps = {
        "decode": lambda: open_photo(content),
        "crop and resize": lambda: crop(photo, image.size, image.crop_pct),
        "normalise": lambda: normalise(pixels[None], image.mean, image.std),
        "normalise and network": lambda: classifier.run_network([pixels]),
        "overlay": lambda: overlay(photo, output.gradcam[0], box, low=0),
    }
    return requests, steps


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="numbers of photos in a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--data", type=Path, help="folder with images/; generated photos if left out")
    args = parser.parse_args()
    torch.set_num_threads(1)
    manifest, net = open_net(args.bundle)
    image, photos = manifest.image, read_photos(args.data, max(args.batch))
    pixels = np.stack([crop(open_photo(content), image.size, image.crop_pct)[0] for content in photos])
    images = normalise(pixels, image.mean, image.std)
    print(f"{manifest.backbone.name}, {image.size} pixels; one thread; medians of {args.rounds} rounds\n")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        plain.write_bytes(export_plain(net, image))
        print(table_row("batch", ["network", "ms", "of logits alone", "the library takes"]))
        print(table_row("---:", ["---", "---:", "---:", "---:"]))
        for batch in args.batch:
            times = in_turns(networks(args.bundle, net, plain, images[:batch]), args.rounds)
            for name, milliseconds in times.items():
                of_base = f"{ratio(times, name, BASE[name]):.2f}" if name in BASE else ""
                of_library = f"{ratio(times, LIBRARY, name):.1f} x" if name in (BOTH, CLOSED) else ""
                print(table_row(str(batch), [name, f"{median(milliseconds):.1f}", of_base, of_library]), flush=True)
    print(f"\nA photo of {len(photos[0]):,} bytes, in the process\n")
    for heading, calls in zip(
        ("request", "of which"), request_calls(Classifier.load(args.bundle), photos[0]), strict=True
    ):
        print(table_row(heading, ["ms"]), table_row("---", ["---:"]), sep="\n")
        for name, milliseconds in in_turns(calls, 4 * args.rounds).items():
            print(table_row(name, [f"{median(milliseconds):.2f}"]))
        print()


if __name__ == "__main__":
    main()
