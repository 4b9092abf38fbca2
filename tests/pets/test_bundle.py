"""pets.bundle: a bundle is complete or rejected, and its graph computes the network of its weights."""

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file, save_file

from pets import bundle as bundles
from pets.bundle import FILES, Bundle, load
from pets.classifier import Classifier
from pets.graph import Rival, Target
from pets.images import normalise
from runtime.bundle import CARD, GOLDEN, MANIFEST, NETWORK, WEIGHTS, BundleError, kind_of
from runtime.folder import FolderError, sha256
from sales.bundle import load as load_sales
from schemas.pets.manifest import PetsManifest
from training.pets.backbones import make_backbone
from training.pets.network import ExplainedNet, Head, PetNet

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def bundle(pets_bundle: Path) -> Bundle:
    return load(pets_bundle)


@pytest.fixture
def folder(pets_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(pets_bundle, tmp_path / "pets"))


def fields(manifest: PetsManifest) -> dict[str, Any]:
    """Return the fields of the manifest that ``save`` takes."""
    return {name: getattr(manifest, name) for name in type(manifest).model_fields if name not in ("version", "files")}


def save(
    folder: Path, bundle: Bundle, network: Callable[[Path], bytes] = lambda file: b"an ONNX file", **other: Any
) -> PetsManifest:
    given = {
        "weights": {"layer.weight": np.arange(6, dtype=np.float16).reshape(2, 3), "many": np.array(7)},
        "network": network,
        "golden": bundle.golden,
        "card": "a card\n",
        **other,
    }
    return bundles.save(folder, fields(bundle.manifest), **given)


def rebuilt(bundle: Bundle) -> PetNet:
    """Return the network in torch, made from the manifest and the weights alone."""
    manifest = bundle.manifest
    made = make_backbone(manifest.backbone.name, pretrained=False)
    net = PetNet(made.body, Head(made.spec.channels, len(manifest.classes), manifest.head))
    weights = load_file(bundle.folder / WEIGHTS)
    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return net.eval()


# Graph and weights


def test_the_graph_computes_the_network_of_the_weights(bundle: Bundle) -> None:
    """The served network equals the evaluated one, in half precision, for all values of target and rival in a batch."""
    size = bundle.manifest.image.size
    targets = [Target.PREDICTED, Target.PREDICTED, Target.PREDICTED, 0, 1, 2, 2, 1]
    rivals = [Rival.NONE, Rival.RUNNER_UP, 1, Rival.NONE, Rival.RUNNER_UP, 0, Rival.RUNNER_UP, 1]
    pixels = np.random.default_rng(0).integers(0, 256, (len(targets), size, size, 3), dtype=np.uint8)
    classifier = Classifier.load(bundle.folder)
    got = classifier.run_network(pixels, targets, rivals)
    image = bundle.manifest.image
    with torch.no_grad():
        wanted = ExplainedNet(rebuilt(bundle)).eval()(
            torch.from_numpy(normalise(pixels, image.mean, image.std)), torch.tensor(targets), torch.tensor(rivals)
        )
    for name, theirs in zip(got._fields, wanted, strict=True):
        mine = getattr(got, name)
        assert mine.shape == tuple(theirs.shape), name
        np.testing.assert_allclose(mine, theirs, atol=1e-4 * max(float(theirs.abs().max()), 1e-9), err_msg=name)
    assert got.target.dtype == got.rival.dtype == np.int64
    assert got.gradcam[:6].any()
    assert not got.gradcam[7].any()  # a class compared with itself


def test_the_weights_are_stored_once_in_half_precision(bundle: Bundle) -> None:
    weights = load_file(bundle.folder / WEIGHTS)
    assert {array.dtype for array in weights.values() if array.ndim > 1} == {np.dtype(np.float16)}
    assert all(np.isfinite(array).all() for array in weights.values())
    graph = onnx.load(str(bundle.folder / NETWORK), load_external_data=False).graph
    outside = {each.name for each in graph.initializer if each.data_location == onnx.TensorProto.EXTERNAL}
    assert {f"net.{name}_half" for name, array in weights.items() if array.ndim > 1} <= outside
    inside = [each for each in graph.initializer if each.name not in outside]
    assert (
        max(np.prod(tensor.dims) for tensor in inside) < 5000
    )  # only constants of the heatmaps and other small tensors
    assert {e.value for each in graph.initializer for e in each.external_data if e.key == "location"} == {WEIGHTS}
    assert (bundle.folder / NETWORK).stat().st_size < (bundle.folder / WEIGHTS).stat().st_size / 20


# Save and load


def test_a_saved_bundle_loads_with_equal_content(bundle: Bundle, tmp_path: Path) -> None:
    seen = []

    def network(file: Path) -> bytes:
        seen.append(load_file(file))
        return b"an ONNX file"

    written = save(tmp_path / "a" / "b", bundle, network)
    again = load(tmp_path / "a" / "b")
    assert again.manifest == written
    assert {*FILES, MANIFEST} == {file.name for file in again.folder.iterdir()}
    assert again.golden == bundle.golden
    assert fields(again.manifest) == fields(bundle.manifest)
    assert kind_of(again.folder) == "pets"
    assert (again.folder / CARD).read_text() == "a card\n"
    assert (again.folder / NETWORK).read_bytes() == b"an ONNX file"
    weights = load_file(again.folder / WEIGHTS)
    for arrays in (weights, *seen):
        np.testing.assert_array_equal(arrays["layer.weight"], np.arange(6).reshape(2, 3))
        assert arrays["layer.weight"].dtype == np.float16
        assert arrays["many"].shape == ()
    hashes = "".join(sha256(again.folder / name) for name in sorted({*written.files} - {CARD}))
    digest = hashlib.sha256(hashes.encode()).hexdigest()
    assert again.manifest.version == f"{written.created:%Y%m%d}-{digest[:8]}"
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in again.folder.iterdir())


def test_a_bundle_is_replaced_only_if_asked(bundle: Bundle, tmp_path: Path) -> None:
    save(tmp_path / "pets", bundle)
    with pytest.raises(FolderError, match="there already and not empty"):
        save(tmp_path / "pets", bundle, card="new\n")
    assert load(tmp_path / "pets").manifest.files[CARD] == sha256(tmp_path / "pets" / CARD)
    assert (tmp_path / "pets" / CARD).read_text() == "a card\n"
    save(tmp_path / "pets", bundle, card="new\n", replace=True)
    assert (tmp_path / "pets" / CARD).read_text() == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["pets"]


@pytest.mark.parametrize(
    "broken", [{"network": lambda file: file / 1}, {"golden": [object()]}, {"card": None}, {"weights": None}]
)
@pytest.mark.parametrize("replace", [False, True])
def test_a_failed_save_leaves_the_old_bundle(
    bundle: Bundle, tmp_path: Path, broken: dict[str, Any], replace: bool
) -> None:
    if replace:
        save(tmp_path / "pets", bundle)
    with pytest.raises((TypeError, AttributeError, ValueError, KeyError)):
        save(tmp_path / "pets", bundle, replace=replace, **broken)
    assert [path.name for path in tmp_path.iterdir()] == ["pets"] * replace
    if replace:
        load(tmp_path / "pets")


def test_an_invalid_manifest_is_not_written(bundle: Bundle, tmp_path: Path) -> None:
    manifest = {**fields(bundle.manifest), "temperature": 0.0}
    with pytest.raises(ValueError, match="temperature"):
        bundles.save(tmp_path / "pets", manifest, weights={}, network=lambda file: b"", golden=[], card="")
    assert not [*tmp_path.iterdir()]


# Damaged bundles


@pytest.mark.parametrize("name", FILES)
def test_changed_truncated_and_missing_files_are_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    middle = len(whole) // 2
    for content in (whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :], whole[:middle], b""):
        (folder / name).write_bytes(content)
        with pytest.raises(BundleError, match=f"changed since: {name}.*export it again"):
            load(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"missing: {name}"):
        load(folder)


@pytest.mark.parametrize("name", ["model.pth", "notes/a.txt", ".hidden", "report.md"])
def test_an_unlisted_file_is_named(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    with pytest.raises(BundleError, match=f"not listed in it: {name}"):
        load(folder)


def edit(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(change(content)))


def fix_hashes(folder: Path) -> None:
    edit(folder, lambda content: content | {"files": {name: sha256(folder / name) for name in content["files"]}})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda content: content | {"format_version": 2}, "format version 2"),
        (lambda content: content | {"kind": "sales"}, "not a pets bundle's: kind"),
        (lambda content: content | {"classes": content["classes"][:1]}, "classes"),
        (lambda content: content | {"surprise": 1}, "surprise"),
        (lambda content: content | {"temperature": -1}, "temperature"),
        (lambda content: content | {"threshold": 1.5}, "threshold"),
        (lambda content: content | {"image": content["image"] | {"size": 10**6}}, r"image\.size"),
        (lambda content: content | {"name": "../pets"}, "name"),
    ],
)
def test_an_invalid_manifest_is_rejected(folder: Path, change: Callable[[dict[str, Any]], Any], complaint: str) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=complaint):
        load(folder)


def test_a_pets_bundle_is_not_loaded_as_sales_nor_the_reverse(pets_bundle: Path) -> None:
    with pytest.raises(BundleError, match="not a sales bundle's: kind"):
        load_sales(pets_bundle)


def test_a_pickle_is_never_opened(folder: Path) -> None:
    (folder / GOLDEN).write_bytes(pickle.dumps({"a": 1}))
    fix_hashes(folder)
    with pytest.raises(BundleError, match=rf"{GOLDEN} can't be read"):
        load(folder)


# Changed bundles with correct hashes


def larger_logit(folder: Path) -> None:
    """Make one logit larger by a percent."""
    arrays = load_file(folder / WEIGHTS)
    (name,) = (name for name, array in arrays.items() if name.startswith("head") and array.ndim == 2)
    arrays[name][0] *= np.float16(1.03)
    save_file(arrays, folder / WEIGHTS)


def other_normalisation(folder: Path) -> None:
    edit(folder, lambda content: content | {"image": content["image"] | {"mean": [0.48, 0.5, 0.5]}})


def maps_swapped(folder: Path) -> None:
    """Give each heatmap the other's name; the classifier reads outputs by name."""
    model = onnx.load(str(folder / NETWORK), load_external_data=False)
    other_name = {"activation": "gradcam", "gradcam": "activation"}
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [other_name.get(name, name) for name in names]
    (folder / NETWORK).write_bytes(model.SerializeToString())


@pytest.mark.parametrize("spoil", [larger_logit, other_normalisation, maps_swapped])
def test_golden_pictures_detect_changes_with_correct_hashes(folder: Path, spoil: Callable[[Path], None]) -> None:
    Classifier.load(folder)
    spoil(folder)
    fix_hashes(folder)
    load(folder)  # the files are correct
    with pytest.raises(BundleError, match=r"golden picture \d are not what training computed; do not serve it"):
        Classifier.load(folder)


def test_nan_logits_are_rejected(folder: Path) -> None:
    """NaN in a golden logit counts as a difference."""
    content = json.loads((folder / GOLDEN).read_text())
    content[0]["logits"][0] = float("nan")
    (folder / GOLDEN).write_text(json.dumps(content))
    fix_hashes(folder)
    with pytest.raises(BundleError, match="the logits of golden picture 0"):
        Classifier.load(folder)
