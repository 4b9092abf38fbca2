"""The features graph: stages of any backbone, pooled as torch pools them, with the weights of the bundle."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cli import main
from pets import bundle as bundles
from pets.bundle import FEATURES
from pets.classifier import Classifier
from pets.graph import POOLINGS, STAGES, feature_name
from runtime.bundle import MANIFEST, WEIGHTS, BundleError
from runtime.folder import sha256
from schemas.pets.manifest import HeadSpec
from tests.pets.fake_classifier import BUNDLE
from tests.training.pets.tiny import TINY
from training.pets.backbones import make_backbone
from training.pets.export.features import add_features, features_network, rebuilt, stages
from training.pets.network import Head, PetNet

HEAD = HeadSpec(hidden=None, p=0.0, bn_final=False)


def new_net(name: str) -> PetNet:
    torch.manual_seed(0)
    made = make_backbone(name, pretrained=False)
    return PetNet(made.body, Head(made.spec.channels, 3, HEAD)).eval()


def recorded(net: PetNet, modules: dict[str, nn.Module], images: Tensor) -> dict[str, Tensor]:
    """Return the outputs of some modules, by hooks of the test alone."""
    maps: dict[str, Tensor] = {}
    for name, module in modules.items():
        module.register_forward_hook(lambda _module, _inputs, output, name=name: maps.update({name: output.clone()}))
    with torch.no_grad():
        net.body(images)
    return maps


def computed(graph: bytes | str, images: Tensor) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"images": images.numpy()}), strict=True))


def assert_pooled(outputs: dict[str, np.ndarray], maps: dict[str, Tensor]) -> None:
    """Compare outputs with torch's own poolings of feature maps, by stage."""
    assert set(outputs) == {feature_name(stage, pooling) for stage in maps for pooling in POOLINGS}
    for stage, feature_map in maps.items():
        size = float(feature_map.abs().mean())
        what, where = feature_map.mean((2, 3)), functional.adaptive_avg_pool2d(feature_map, 3)
        np.testing.assert_allclose(outputs[f"{stage}-what"], what.numpy(), rtol=1e-3, atol=1e-3 * size)
        np.testing.assert_allclose(outputs[f"{stage}-where"], where.numpy(), rtol=1e-3, atol=1e-3 * size)


@pytest.mark.integration
@pytest.mark.parametrize("size", [64, 100])
def test_a_resnet_is_seen_at_its_layers_and_within_them(size: int) -> None:
    net = new_net("resnet34")
    part = net.body.parts[0]
    assert isinstance(part, nn.Sequential)
    layers = {f"layer{i}": part[3 + i] for i in range(1, 5)}
    modules = {
        "early": part[2],
        "low": layers["layer1"],
        "middle": layers["layer2"][1],
        "upper": layers["layer2"],
        "high": layers["layer3"][2],
        "last": layers["layer3"],
        "final": layers["layer4"],
    }
    images = torch.randn((3, 3, size, size))
    graph = features_network(net, size)
    assert_pooled(computed(graph, images), recorded(net, modules, images))


@pytest.mark.integration
def test_an_efficientnet_is_seen_where_its_feature_maps_change() -> None:
    net = new_net("efficientnet_lite0+efficientnet_lite1")
    part = net.body.parts[0]
    assert isinstance(part, nn.Sequential)
    ends = []  # last block with each number of channels, which differs from stage to stage
    images = torch.randn((2, 3, 96, 96))
    with torch.no_grad():
        output = images
        for module in part:
            output = module(output)
            if ends and ends[-1].shape == output.shape:
                ends.pop()
            ends.append(output)
    maps = dict(zip(STAGES, ends[-7:], strict=True))
    assert [feature_map.shape[1] for feature_map in maps.values()] == [24, 40, 80, 112, 192, 320, 1280]
    assert_pooled(computed(features_network(net, 96), images), maps)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        (TINY, {"early": 16, "middle": 64, "high": 192, "final": 512}),
        ("mobilenet_v2", {"early": 24, "final": 1280}),
        ("regnetx_002", {"early": 32, "final": 368}),
        ("convnext_atto", {"final": 320}),
        ("densenet121", {"final": 1024}),
        ("vgg11", {"final": 512}),
    ],
)
def test_any_backbone_has_stages_from_its_input_to_its_end(name: str, channels: dict[str, int]) -> None:
    part = new_net(name).body.parts[0]
    assert isinstance(part, nn.Sequential)
    found = stages(part, 96)
    assert 4 <= len(found) <= 7
    assert list(found) == [stage for stage in STAGES if stage in found]
    sides = [stage.side for stage in found.values()]
    assert sides == sorted(sides, reverse=True)
    maps: dict[str, Tensor] = {}
    for stage in found:
        found[stage].module.register_forward_hook(lambda _m, _i, output, stage=stage: maps.update({stage: output}))
    with torch.no_grad():
        output = part(torch.randn((1, 3, 96, 96)))
    assert maps["final"] is output
    assert {stage: maps[stage].shape[1] for stage in channels} == channels
    assert {stage: feature_map.shape[2] for stage, feature_map in maps.items()} == dict(zip(found, sides, strict=True))


# Bundles


@pytest.mark.integration
def test_a_trained_bundle_has_the_graph_of_its_weights(pets_bundle: Path) -> None:
    bundle = bundles.load(pets_bundle)
    assert bundle.manifest.files[FEATURES] == sha256(pets_bundle / FEATURES)
    net = rebuilt(bundle)
    part = net.body.parts[0]
    assert isinstance(part, nn.Sequential)
    images = torch.randn((2, 3, 96, 96))
    modules = {stage: found.module for stage, found in stages(part, 96).items()}
    assert_pooled(computed(str(pets_bundle / FEATURES), images), recorded(net, modules, images))
    model = onnx.load(pets_bundle / FEATURES, load_external_data=False)
    inside = [tensor for tensor in model.graph.initializer if tensor.data_location != onnx.TensorProto.EXTERNAL]
    outside = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    assert {entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"} == {WEIGHTS}
    assert sum(np.prod(tensor.dims) for tensor in outside) > 100 * sum(np.prod(tensor.dims) for tensor in inside)


@pytest.fixture
def old(pets_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle without the graph, as older versions wrote it."""
    folder = Path(shutil.copytree(pets_bundle, tmp_path / "pets"))
    (folder / FEATURES).unlink()
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["files"][FEATURES]
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return folder


@pytest.mark.integration
def test_an_older_bundle_gets_the_graph_and_keeps_its_version(old: Path, pets_bundle: Path) -> None:
    Classifier.load(old)
    result = CliRunner().invoke(main, ["add-features", str(old)])
    assert result.exit_code == 0, result.output
    assert result.output.endswith("has a features graph\n")
    before, after = bundles.read_manifest(pets_bundle), bundles.read_manifest(old)
    assert after.version == before.version
    assert after.files.keys() == before.files.keys()
    assert {file: digest for file, digest in after.files.items() if before.files[file] != digest}.keys() <= {FEATURES}
    assert (old / MANIFEST).read_text().count("\n") == (pets_bundle / MANIFEST).read_text().count("\n")
    images = torch.randn((2, 3, 96, 96))
    ours, theirs = (computed(str(folder / FEATURES), images) for folder in (old, pets_bundle))
    for name, output in theirs.items():
        np.testing.assert_allclose(ours[name], output, rtol=1e-4, atol=1e-5)
    Classifier.load(old)  # hashes and golden pictures hold


@pytest.mark.integration
def test_weights_of_another_network_are_rejected_and_nothing_changes(old: Path) -> None:
    def change(weights: dict[str, np.ndarray]) -> None:
        save_file(weights, old / WEIGHTS)
        manifest = json.loads((old / MANIFEST).read_text())
        manifest["files"][WEIGHTS] = sha256(old / WEIGHTS)
        (old / MANIFEST).write_text(json.dumps(manifest))

    weights = load_file(old / WEIGHTS)
    name = next(name for name, array in weights.items() if array.ndim == 4)
    change({**weights, name: -weights[name]})
    content = {file.name: file.read_bytes() for file in old.iterdir()}
    with pytest.raises(BundleError, match="computes other outputs"):
        add_features(old)
    assert {file.name: file.read_bytes() for file in old.iterdir()} == content
    change({key: array for key, array in weights.items() if key != name})
    with pytest.raises(BundleError, match=f"does not fit {TINY}"):
        add_features(old)


@pytest.mark.integration
def test_the_shipped_bundle_has_the_graph_of_its_weights() -> None:
    bundle = bundles.load(BUNDLE)
    net = rebuilt(bundle)
    part = net.body.parts[0]
    assert isinstance(part, nn.Sequential)
    size = bundle.manifest.image.size
    images = torch.rand((1, 3, size, size)) * 2 - 1
    # timm's stem, norm, seven stages, head and norm; the graph leaves out the stem and the first stage
    modules = dict(zip(STAGES, [*part[3:9], part[10]], strict=True))
    assert_pooled(computed(str(BUNDLE / FEATURES), images), recorded(net, modules, images))
