"""What a heatmap costs: beside the plain network, beside the grad-cam library, and in a request.

    python -m benchmarks.heatmap_cost BUNDLE [--batch 1 8] [--rounds 15] [--data DATA]

The plain network is the bundle's, exported with its logits alone. DATA is a folder in the layout of the Oxford-IIIT
pets (images/); without it the photos are made up. Each has one thread and its turn in every round, and what is counted
is the process's CPU time, which with one thread is the time that it takes on a machine that does nothing else: so
whatever runs beside it takes no part. The figures are medians over the rounds, and ratios medians of the rounds'.
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

from benchmarks.heatmap_quality import line, open_net
from benchmarks.photos import read_photos
from pets.classifier import Classifier
from pets.graph import Rival, Target
from pets.heatmap import overlay
from pets.images import crop, normalise, open_photo
from runtime.bundle import NETWORK
from runtime.session import open_session
from schemas.bundle import ImageSpec
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
BASE = {BOTH: PLAIN, CLOSED: TORCH, LIBRARY: TORCH}  # what each is compared with

Calls = Mapping[str, Callable[[], object]]
Times = Mapping[str, list[float]]  # milliseconds of each round, by what was called


def in_turns(calls: Calls, rounds: int) -> Times:
    """Milliseconds of CPU time of each call in each round; a call before it, not counted, has warmed the caches."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            start = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - start))
    return times


def ratio(times: Times, name: str, base: str) -> float:
    """How many times as long one takes as the other, each beside its neighbour of the same round."""
    return median(one / other for one, other in zip(times[name], times[base], strict=True))


def export_plain(net: PetNet, image: ImageSpec) -> bytes:
    """The network as an ONNX file with ``images`` in and ``logits`` out: what one exports without heatmaps."""
    return to_onnx(net, (torch.zeros((2, 3, image.size, image.size)),), ["images"], ["logits"])


def networks(bundle: Path, net: PetNet, plain: Path, images: NDArray[np.float32]) -> Calls:
    """The ways from images to logits and heatmaps, each ready to run."""
    without, with_maps = open_session(plain, "cpu"), open_session(bundle / NETWORK, "cpu")
    explained, tensor = ExplainedNet(net).eval(), torch.from_numpy(images)
    target, rival = (np.full(len(images), value, np.int64) for value in (Target.PREDICTED, Rival.NONE))

    def by_library() -> object:
        with GradCAM(net, [net.body]) as cam:  # its hooks are there in its own turn alone
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


def requests(classifier: Classifier, content: bytes) -> tuple[Calls, Calls]:
    """Requests from a photo's bytes to an answer's, and the steps of which they consist."""
    image = classifier.manifest.image
    photo = open_photo(content)
    pixels, box = crop(photo, image.size, image.crop_pct)
    output = classifier.run_network([pixels])

    def answered(**options: str) -> Callable[[], object]:
        def call() -> bytes:
            request = PetRequest.model_validate({"image": content, **options})
            (answer,) = classifier.predict([classifier.prepare(request)])
            return answer.to_json()

        return call

    whole = {
        "without heatmap": answered(),
        "Grad-CAM's grid": answered(heatmap="gradcam", overlay="none"),
        "Grad-CAM's grid and overlay": answered(heatmap="gradcam"),
    }
    steps = {
        "decode": lambda: open_photo(content),
        "crop and resize": lambda: crop(photo, image.size, image.crop_pct),
        "normalise": lambda: normalise(pixels[None], image.mean, image.std),
        "normalise and network": lambda: classifier.run_network([pixels]),
        "overlay": lambda: overlay(photo, output.gradcam[0], box, low=0),
    }
    return whole, steps


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="photos in a batch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--data", type=Path, help="a folder with images/; made-up photos if left out")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    manifest, net = open_net(asked.bundle)
    image, photos = manifest.image, read_photos(asked.data, max(asked.batch))
    pixels = np.stack([crop(open_photo(content), image.size, image.crop_pct)[0] for content in photos])
    images = normalise(pixels, image.mean, image.std)
    print(f"{manifest.backbone.name}, {image.size} pixels; one thread; medians of {asked.rounds} rounds\n")
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.onnx")
        plain.write_bytes(export_plain(net, image))
        print(line("batch", ["network", "ms", "of logits alone", "the library takes"]))
        print(line("---:", ["---", "---:", "---:", "---:"]))
        for batch in asked.batch:
            times = in_turns(networks(asked.bundle, net, plain, images[:batch]), asked.rounds)
            for name, each in times.items():
                of_plain = f"{ratio(times, name, BASE[name]):.2f}" if name in BASE else ""
                times_ours = f"{ratio(times, LIBRARY, name):.1f} x" if name in (BOTH, CLOSED) else ""
                print(line(str(batch), [name, f"{median(each):.1f}", of_plain, times_ours]), flush=True)
    print(f"\nA photo of {len(photos[0]):,} bytes, in the process\n")
    for what, calls in zip(("request", "of which"), requests(Classifier.load(asked.bundle), photos[0]), strict=True):
        print(line(what, ["ms"]), line("---", ["---:"]), sep="\n")
        for name, each in in_turns(calls, 4 * asked.rounds).items():
            print(line(name, [f"{median(each):.2f}"]))
        print()


if __name__ == "__main__":
    main()
