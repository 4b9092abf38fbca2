"""runtime.gpu.graphs: the rewritten graphs compute what the bundle's graph computes."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from runtime.errors import SessionError
from runtime.gpu.graphs import photo_graph, row_graph
from sales.preprocess import Prepared
from training.sales.model.trees import Trees, with_trees

SCALE = np.array([0.02, 0.015, 0.018], np.float32)[:, None, None]
SHIFT = np.array([2.0, 1.9, 1.7], np.float32)[:, None, None]


def photo_network(folder: Path, largest: float = 1.0) -> Path:
    """Two convolutions with a sum between them, and a mean; one weight is stored in half precision."""
    rng = np.random.default_rng(0)
    first, second = (rng.normal(0, 0.2, shape).astype(np.float16) for shape in ((8, 3, 3, 3), (8, 8, 3, 3)))
    second[0, 0, 0, 0] = largest
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["first_half"], ["first"], to=TensorProto.FLOAT),
            helper.make_node("Conv", ["images", "first", "bias"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Clip", ["a", "low", "high"], ["b"]),
            helper.make_node("Conv", ["b", "second", "bias"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Add", ["b", "c"], ["d"]),
            helper.make_node("Conv", ["d", "second", "bias"], ["e"], pads=[1, 1, 1, 1]),
            helper.make_node("Add", ["d", "e"], ["f"]),
            helper.make_node("ReduceMean", ["f", "axes"], ["y"], keepdims=0),
        ],
        "photos",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["row", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["row", 8])],
        [
            numpy_helper.from_array(first, "first_half"),
            numpy_helper.from_array(second.astype(np.float32) * (1 if largest < 7e4 else largest), "second"),
            numpy_helper.from_array(rng.normal(size=8).astype(np.float32), "bias"),
            numpy_helper.from_array(np.float32(0), "low"),
            numpy_helper.from_array(np.float32(6), "high"),
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def types_of(content: bytes) -> dict[str, int]:
    """Return the type of each value of a graph, as ONNX's own inference finds it."""
    graph = onnx.shape_inference.infer_shapes(onnx.load_from_string(content), strict_mode=True).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.output, *graph.input)}


def test_a_photo_graph_takes_pixels_and_gives_nearly_the_same(tmp_path: Path) -> None:
    file = photo_network(tmp_path)
    content = photo_graph(file, images="images", scale=SCALE, shift=SHIFT)
    pixels = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    images = pixels.transpose(0, 3, 1, 2) * SCALE - SHIFT
    (expected,) = ort.InferenceSession(file).run(None, {"images": images})
    (found,) = ort.InferenceSession(content).run(None, {"images": pixels})
    assert found.dtype == np.float32
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < error < 5e-3


def test_convolutions_and_all_between_them_are_in_half_precision(tmp_path: Path) -> None:
    content = photo_graph(photo_network(tmp_path), images="images", scale=SCALE, shift=SHIFT)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    types = types_of(content)
    assert {types[name] for name in "abcde"} == {TensorProto.FLOAT16}
    assert {types[name] for name in "fy"} == {TensorProto.FLOAT}
    assert types["images"] == TensorProto.UINT8


def test_a_weight_that_is_too_large_for_half_precision_is_an_error(tmp_path: Path) -> None:
    file = photo_network(tmp_path, largest=65_504)
    model = onnx.load(file)
    (second,) = (tensor for tensor in model.graph.initializer if tensor.name == "second")
    second.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(second) * 2, "second"))
    onnx.save(model, file)
    with pytest.raises(SessionError, match="second has numbers that are too large for half precision"):
        photo_graph(file, images="images", scale=SCALE, shift=SHIFT)


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    rng = np.random.default_rng(0)
    cats = rng.integers(0, 9, (3000, 2)).astype(np.int32)
    conts = rng.normal(size=(3000, 4)).astype(np.float32)
    conts[rng.random(conts.shape) < 0.1] = 0
    return Prepared(cats, conts)


def network_with_trees(prepared: Prepared, rounds: int, folder: Path) -> tuple[Path, Trees]:
    target = np.sin(prepared.conts[:, 0] * 3) * prepared.cats[:, 1] + prepared.conts[:, 1]
    trees = Trees.fit(prepared, target.astype(np.float64), rounds, seed=0, threads=1)
    graph = helper.make_graph(
        [helper.make_node("Squeeze", ["trees", "axis"], ["y"])],
        "rows",
        [
            helper.make_tensor_value_info("cats", TensorProto.INT32, ["row", 2]),
            helper.make_tensor_value_info("conts", TensorProto.FLOAT, ["row", 4]),
            helper.make_tensor_value_info("trees", TensorProto.FLOAT, ["row", 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["row"])],
        [numpy_helper.from_array(np.array([1], np.int64), "axis")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    file = folder / "model.onnx"
    file.write_bytes(with_trees(model.SerializeToString(), trees, name="trees"))
    return file, trees


def run(network: Path | bytes, prepared: Prepared) -> NDArray[np.float32]:
    (found,) = ort.InferenceSession(network).run(None, prepared._asdict())
    return np.asarray(found)


@pytest.mark.parametrize("rounds", [1, 40])
def test_trees_as_tensor_operations_equal_lightgbm(prepared: Prepared, tmp_path: Path, rounds: int) -> None:
    file, trees = network_with_trees(prepared, rounds, tmp_path)
    content = row_graph(file)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    assert "TreeEnsembleRegressor" not in {node.op_type for node in onnx.load_from_string(content).graph.node}
    np.testing.assert_allclose(run(content, prepared), trees.predict(prepared), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(run(content, prepared), run(file, prepared), rtol=1e-5, atol=1e-5)
    one = Prepared(prepared.cats[:1], prepared.conts[:1])
    np.testing.assert_allclose(run(content, one), trees.predict(one), rtol=1e-5, atol=1e-5)


def test_a_row_at_a_threshold_takes_the_same_branch(prepared: Prepared, tmp_path: Path) -> None:
    file, _ = network_with_trees(prepared, 5, tmp_path)
    (node,) = (node for node in onnx.load(file).graph.node if node.op_type == "TreeEnsembleRegressor")
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    at_thresholds = np.repeat(np.unique(np.float32(values["nodes_values"]))[:, None], 4, axis=1)
    rows = Prepared(np.zeros((len(at_thresholds), 2), np.int32), at_thresholds)
    np.testing.assert_allclose(run(row_graph(file), rows), run(file, rows), rtol=1e-6, atol=1e-6)


def test_trees_of_another_kind_are_an_error(prepared: Prepared, tmp_path: Path) -> None:
    file, _ = network_with_trees(prepared, 1, tmp_path)
    model = onnx.load(file)
    (node,) = (node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    (modes,) = (attribute for attribute in node.attribute if attribute.name == "nodes_modes")
    modes.strings[0] = b"BRANCH_EQ"
    onnx.save(model, file)
    with pytest.raises(SessionError, match=r"trees with BRANCH_EQ, BRANCH_LEQ, LEAF.* can't run on a GPU"):
        row_graph(file)


def test_a_file_that_is_no_network_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no network")
    with pytest.raises(SessionError, match=r"model\.onnx can't be read by onnx"):
        row_graph(tmp_path / "model.onnx")


def test_without_onnx_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SessionError, match=r"install shopcat\[gpu\]"):
        row_graph(tmp_path / "model.onnx")
