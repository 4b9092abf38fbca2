"""labelling.features.network: features of a bundle's network, and a key that names all that they depend on."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from labelling.features.network import FeatureNetwork
from labelling.features.spaces import SPACES, Space
from pets.bundle import FEATURES
from pets.images import open_photo
from runtime.bundle import CARD, MANIFEST, BundleError
from runtime.folder import sha256
from tests.pets.fake_classifier import BUNDLE

PHOTO = Path(__file__).parents[3] / "docs" / "cat.jpg"


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    return FeatureNetwork.load(BUNDLE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may change."""
    return Path(shutil.copytree(BUNDLE, tmp_path / "pets"))


def change(folder: Path, file: str, content: bytes, **fields: object) -> None:
    """Change a file and fields of a bundle, as a training would have written it."""
    (folder / file).write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][file] = sha256(folder / file)
    (folder / MANIFEST).write_text(json.dumps({**manifest, **fields}))


def test_features_are_the_outputs_side_by_side(network: FeatureNetwork) -> None:
    pixels = network.crop(open_photo(PHOTO.read_bytes()))
    rows = network.features(np.stack([pixels, pixels[:, ::-1]]))
    assert rows.shape == (2, network.width)
    assert rows.dtype == np.float32
    session = ort.InferenceSession(BUNDLE / FEATURES, providers=["CPUExecutionProvider"])
    images = (np.stack([pixels, pixels[:, ::-1]]).transpose(0, 3, 1, 2) / 255 - 0.5) / 0.5  # as this bundle's manifest
    outputs = session.run([space.name for space in SPACES], {"images": images.astype(np.float32)})
    for space, output in zip(SPACES, outputs, strict=True):
        np.testing.assert_allclose(rows[:, network.columns[space]], output.reshape(2, -1), rtol=1e-3, atol=1e-4)


def test_the_mean_hides_what_a_mirror_changes_and_the_grid_shows_it(network: FeatureNetwork) -> None:
    pixels = network.crop(open_photo(PHOTO.read_bytes()))
    straight, mirrored = network.features(np.stack([pixels, pixels[:, ::-1]]))

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    what, where = (network.columns[Space("final", pooling)] for pooling in ("what", "where"))
    assert cosine(straight[what], mirrored[what]) > 0.9
    assert cosine(straight[where], mirrored[where]) < cosine(straight[what], mirrored[what]) - 0.1
    turned = straight[where].reshape(-1, 3, 3)[:, :, ::-1].ravel()
    assert cosine(turned, mirrored[where]) > cosine(straight[where], mirrored[where])


def test_the_means_of_the_grids_are_the_means_over_the_photo(network: FeatureNetwork) -> None:
    rows = network.features(np.random.default_rng(0).integers(0, 256, (2, 288, 288, 3), np.uint8))
    for stage in ("early", "low", "middle", "upper", "high", "last", "final"):  # sides that are multiples of 3
        what, where = (rows[:, network.columns[Space(stage, pooling)]] for pooling in ("what", "where"))
        np.testing.assert_allclose(where.reshape(2, -1, 9).mean(2), what, rtol=1e-3, atol=1e-4)


def test_a_batch_gives_what_single_photos_give(network: FeatureNetwork) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 288, 288, 3), np.uint8)
    single = np.concatenate([network.features(photo[None]) for photo in pixels])
    np.testing.assert_allclose(network.features(pixels), single, rtol=1e-3, atol=1e-4)


def test_the_key_changes_with_the_graph_and_the_input_alone(network: FeatureNetwork, folder: Path) -> None:
    change(folder, CARD, b"another card")
    assert FeatureNetwork.load(folder).key == network.key
    image = {**json.loads((folder / MANIFEST).read_text())["image"], "crop_pct": 0.9}
    change(folder, CARD, b"another card", image=image)
    cropped = FeatureNetwork.load(folder).key
    content = (folder / FEATURES).read_bytes()
    change(folder, FEATURES, content + b"\x72\x00")  # an empty field of ONNX: the same graph in another file
    assert len({network.key, cropped, FeatureNetwork.load(folder).key}) == 3


def test_an_older_bundle_is_rejected_with_the_command_that_upgrades_it(folder: Path) -> None:
    (folder / FEATURES).unlink()
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["files"][FEATURES]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=rf"has no features.onnx.*shopcat add-features {folder}"):
        FeatureNetwork.load(folder)


def test_a_changed_graph_is_rejected(folder: Path) -> None:
    (folder / FEATURES).write_bytes(b"another")
    with pytest.raises(BundleError, match=r"changed since: features.onnx"):
        FeatureNetwork.load(folder)
