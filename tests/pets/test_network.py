"""pets.network: the ways to run a bundle's network, and the network as a GPU runs it, here on the CPU's provider."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pets import network
from pets.bundle import INT8_NETWORK, load
from pets.classifier import Classifier
from pets.golden import TOLERANCES, verify
from pets.graph import Rival, Target
from pets.images import open_photo
from pets.network import Run, gpu_network, networks, onnx_network
from runtime.errors import SessionError
from tests.pets.fake_classifier import BUNDLE, shipped_manifest

PHOTO = Path(__file__).parents[2] / "docs" / "heatmaps.jpg"
IMAGE = shipped_manifest().image


@pytest.fixture(scope="module")
def half() -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "PHOTO_SIZES", (1, 3))  # each size is computed once at the start
        yield gpu_network(BUNDLE, IMAGE, "cpu", cuda_graphs=False)


@pytest.fixture(scope="module")
def single() -> Run:
    return onnx_network(BUNDLE, IMAGE, "cpu", 1)


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """A photo, its mirror image, and noise."""
    photo = Classifier.load(BUNDLE, exact=True).crop(open_photo(PHOTO.read_bytes()))[0]
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    return np.stack([photo, photo[:, ::-1], noise])


def predicted(run: Run, pixels: NDArray[np.uint8]) -> Any:
    n_photos = len(pixels)
    return run(pixels, np.full(n_photos, Target.PREDICTED, np.int64), np.full(n_photos, Rival.RUNNER_UP, np.int64))


def test_half_precision_gives_nearly_the_same(half: Run, single: Run, pixels: NDArray[np.uint8]) -> None:
    found, expected = predicted(half, pixels), predicted(single, pixels)
    assert found.target.tolist() == expected.target.tolist()
    assert found.rival.tolist() == expected.rival.tolist()
    for name in ("logits", "activation", "gradcam"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert 0 < np.abs(ours - theirs).max() < TOLERANCES["half"] * np.abs(theirs).max()


def test_the_golden_pictures_of_the_shipped_bundle_hold_in_half_precision(half: Run) -> None:
    verify(Classifier(shipped_manifest(), half, precision="half"), load(BUNDLE))


def test_photos_of_many_threads_get_their_own_outputs(half: Run, pixels: NDArray[np.uint8]) -> None:
    expected = predicted(half, pixels).logits
    with ThreadPoolExecutor(6) as pool:
        rows = [0, 1, 2] * 4
        for row, output in zip(rows, pool.map(lambda row: predicted(half, pixels[[row]]), rows), strict=True):
            np.testing.assert_allclose(output.logits[0], expected[row], rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("device", "exact", "files", "expected"),
    [
        ("cuda:0", False, [], ["half", "half", "single"]),
        ("cuda:0", True, [INT8_NETWORK], ["single"]),
        ("cpu", False, [INT8_NETWORK], ["int8", "single"]),
        ("cpu", False, [], ["single"]),
        ("cpu", True, [INT8_NETWORK], ["single"]),
    ],
)
def test_the_ways_begin_with_the_fastest_and_end_with_the_safest(
    monkeypatch: pytest.MonkeyPatch, device: str, exact: bool, files: list[str], expected: list[str]
) -> None:
    monkeypatch.setattr(network, "int8_is_fast", lambda: True)
    manifest = shipped_manifest().model_copy(update={"files": dict.fromkeys(files, "")})
    assert [precision for precision, _ in networks(BUNDLE, manifest, device, 1, exact=exact)] == expected


def on_a_fake_gpu(monkeypatch: pytest.MonkeyPatch, half: Run | Exception) -> list[bool]:
    """Let the CPU stand in for a GPU; return the list of the attempts in half precision, with CUDA graphs or not."""
    attempts = []

    def make(*_: Any, cuda_graphs: bool) -> Run:
        attempts.append(cuda_graphs)
        if isinstance(half, Exception):
            raise half
        return half

    monkeypatch.setattr(network, "gpu_network", make)
    original = network.onnx_network
    monkeypatch.setattr(
        network, "onnx_network", lambda folder, image, _device, threads: original(folder, image, "cpu", threads)
    )
    return attempts


def test_a_gpu_computes_in_half_precision(monkeypatch: pytest.MonkeyPatch, half: Run) -> None:
    attempts = on_a_fake_gpu(monkeypatch, half)
    assert Classifier.load(BUNDLE, device="cuda:0").precision == "half"
    assert attempts == [True]


def test_wrong_outputs_in_half_precision_are_not_served(
    monkeypatch: pytest.MonkeyPatch, half: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(*inputs: Any) -> Any:
        output = half(*inputs)
        return output._replace(gradcam=output.gradcam * np.float32(1.05))

    attempts = on_a_fake_gpu(monkeypatch, wrong)
    with caplog.at_level(logging.WARNING):
        assert Classifier.load(BUNDLE, device="cuda:0").precision == "single"
    assert attempts == [True, False]
    assert "the gradcam of golden picture 0 are not what training computed" in caplog.text


def test_a_gpu_that_cannot_run_the_rewritten_graph_runs_the_bundles(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    on_a_fake_gpu(monkeypatch, SessionError("no kernel"))
    with caplog.at_level(logging.WARNING):
        assert Classifier.load(BUNDLE, device="cuda:0").precision == "single"
    assert "no kernel; the network is tried in a slower way" in caplog.text
