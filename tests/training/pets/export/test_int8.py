"""The network in 8 bits: close to the one in single precision, with the same weights, and used where it is faster."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from pets import bundle as bundles
from pets.bundle import INT8_NETWORK
from pets.classifier import Classifier
from pets.images import crop, open_photo
from runtime import session
from runtime.bundle import MANIFEST, WEIGHTS
from runtime.folder import sha256
from tests.training.pets.tiny import TINY
from training.pets import train as module
from training.pets.data.photos import PetData
from training.pets.options import Options
from training.pets.train import Trained, train
from training.run import Run

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def trained(pet_data: PetData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """Folder of a bundle with the network in 8 bits, and its training. Do not write to it; copy it."""
    out = tmp_path_factory.mktemp("int8") / "pets"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAX_FALL", 1)  # a few drawn photos say little about accuracy
        return out, train(pet_data, out, Options(backbone=TINY, size=96), Run("pets", progress=False))


@pytest.fixture
def fast() -> None:
    """Skip the test on a processor without integer dot products, whose sums may overflow."""
    if not session.int8_is_fast():
        pytest.skip("needs a processor with integer dot products")


def test_both_networks_answer_alike(trained: tuple[Path, Trained], pet_data: PetData, fast: None) -> None:
    folder, _ = trained
    quick, exact = Classifier.load(folder), Classifier.load(folder, exact=True)
    assert (quick.precision, exact.precision) == ("int8", "single")
    image = exact.manifest.image
    pixels = [crop(open_photo(file.read_bytes()), image.size, image.crop_pct)[0] for file in pet_data.valid.files]
    ours, theirs = quick.run_network(pixels), exact.run_network(pixels)
    assert not np.array_equal(ours.logits, theirs.logits)
    spread = theirs.logits.std()
    assert np.sqrt(np.mean((ours.logits - theirs.logits) ** 2)) < 0.1 * spread
    for name in ("activation", "gradcam"):
        ours_map, theirs_map = getattr(ours, name), getattr(theirs, name)
        assert np.corrcoef(ours_map.ravel(), theirs_map.ravel())[0, 1] > 0.98


def test_the_correction_of_the_biases_lowers_the_error(
    trained: tuple[Path, Trained], pet_data: PetData, tmp_path: Path, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.pets.export import int8

    monkeypatch.setattr(int8, "_round_weights", lambda *arguments: None)
    monkeypatch.setattr(module, "MAX_FALL", 1)
    train(pet_data, tmp_path / "pets", Options(backbone=TINY, size=96), Run("pets", progress=False))

    def error(folder: Path) -> float:
        exact, quick = (Classifier.load(folder, exact=choice) for choice in (True, False))
        image = exact.manifest.image
        pixels = [crop(open_photo(file.read_bytes()), image.size, image.crop_pct)[0] for file in pet_data.valid.files]
        return float(np.mean((quick.run_network(pixels).logits - exact.run_network(pixels).logits) ** 2))

    assert error(trained[0]) < error(tmp_path / "pets")


def test_the_manifest_has_its_figures_and_its_hash(trained: tuple[Path, Trained]) -> None:
    folder, result = trained
    assert result.manifest.files[INT8_NETWORK] == sha256(folder / INT8_NETWORK)
    figures = result.manifest.metrics["int8"]
    assert abs(figures["accuracy"] - result.manifest.metrics["accuracy"]) <= figures["other_breed"] <= 1


def test_the_bundle_stores_its_weights_once(trained: tuple[Path, Trained]) -> None:
    folder, _ = trained
    model = onnx.load(folder / INT8_NETWORK, load_external_data=False)
    inside = [tensor for tensor in model.graph.initializer if tensor.data_location != onnx.TensorProto.EXTERNAL]
    outside = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    assert {entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"} == {WEIGHTS}
    assert sum(np.prod(tensor.dims) for tensor in outside) > 10 * sum(np.prod(tensor.dims) for tensor in inside)
    assert sum(node.op_type == "Conv" for node in model.graph.node) == 4  # of TINY


def test_a_network_that_loses_accuracy_is_left_out(
    pet_data: PetData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FALL", -1)
    result = train(pet_data, tmp_path / "pets", Options(backbone=TINY, size=64), Run("pets", progress=False))
    assert INT8_NETWORK not in result.manifest.files
    assert not (tmp_path / "pets" / INT8_NETWORK).exists()
    assert result.manifest.metrics["int8"] is None
    assert result.classifier.precision == "single"


def test_wrong_arithmetic_is_noticed(
    trained: tuple[Path, Trained], tmp_path: Path, fast: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The bundle of a processor whose sums overflow is served in single precision."""
    folder = Path(shutil.copytree(trained[0], tmp_path / "pets"))
    model = onnx.load(folder / INT8_NETWORK, load_external_data=False)
    (bias,) = (tensor for tensor in model.graph.initializer if tensor.name.endswith("head.layers.1.bias"))
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(bias.dims[0], [9, -9, 9], np.float32), bias.name))
    onnx.save(model, folder / INT8_NETWORK)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][INT8_NETWORK] = sha256(folder / INT8_NETWORK)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with caplog.at_level(logging.WARNING):
        assert Classifier.load(folder).precision == "single"
    assert "runs in single precision" in caplog.text


def test_a_changed_graph_is_rejected(trained: tuple[Path, Trained], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained[0], tmp_path / "pets"))
    (folder / INT8_NETWORK).write_bytes(b"another")
    with pytest.raises(bundles.BundleError, match=INT8_NETWORK):
        Classifier.load(folder)


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor: 0\nflags\t\t: fpu avx512_vnni sse2\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("Features\t: fp asimd asimddp\n", False),  # ARM, not measured
        (None, False),
    ],
)
def test_integer_products_are_found_in_the_flags(cpuinfo: str | None, expected: bool, tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo)
    assert session.int8_is_fast(file) is expected
