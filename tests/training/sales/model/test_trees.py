"""The exported trees compute what LightGBM computes, and improve the network's forecasts."""

import sys

import lightgbm
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper

from sales.preprocess import Prepared
from training.export import to_onnx
from training.sales.model.batchnorm_folding import FoldedNet
from training.sales.model.network import TabularNet
from training.sales.model.trees import Trees, TreesError, tree_columns, with_trees


def inputs(rows: int, seed: int = 0) -> Prepared:
    rng = np.random.default_rng(seed)
    cats = np.stack([rng.integers(0, 7, rows), rng.integers(0, 3, rows)], axis=1).astype(np.int32)
    return Prepared(cats, rng.normal(size=(rows, 4)).astype(np.float32))


def target(prepared: Prepared) -> np.ndarray:
    cats, conts = prepared
    return np.sin(2 * conts[:, 0]) + 0.3 * (cats[:, 0] % 2) + 0.2 * conts[:, 1] * (cats[:, 1] == 1)


@pytest.fixture(scope="module")
def trees() -> Trees:
    rows = inputs(5000)
    return Trees.fit(rows, target(rows), 80, seed=0, threads=1)


def operator_output(trees: Trees, columns: np.ndarray) -> np.ndarray:
    graph = helper.make_graph(
        [trees.operator("x", "y")],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2 * columns.shape[1]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.hstack([columns, -columns])})[0][:, 0]


def test_the_trees_learn(trees: Trees) -> None:
    new = inputs(2000, seed=1)
    error = trees.predict(new) - target(new)
    assert error.std() < 0.3 * target(new).std()


def test_the_operator_computes_what_lightgbm_does(trees: Trees) -> None:
    new = inputs(2000, seed=1)
    expected = lightgbm.Booster(model_str=trees.text).predict(tree_columns(new))
    np.testing.assert_allclose(operator_output(trees, tree_columns(new)), expected, rtol=0, atol=2e-6)


def test_a_value_at_a_threshold_takes_the_same_branch_as_in_lightgbm(trees: Trees) -> None:
    """LightGBM compares in float64; a threshold that is rounded up would send its next float32 to the other branch."""
    booster = lightgbm.Booster(model_str=trees.text)
    frame = booster.trees_to_dataframe().dropna(subset=["threshold"])
    rows = tree_columns(inputs(len(frame), seed=2))
    for row, (name, threshold) in enumerate(zip(frame["split_feature"], frame["threshold"], strict=True)):
        values = np.float32(threshold), np.nextafter(np.float32(threshold), np.float32(np.inf))
        rows[row, int(name.removeprefix("Column_"))] = values[row % 2]
    np.testing.assert_allclose(operator_output(trees, rows), booster.predict(rows), rtol=0, atol=2e-6)


def test_the_second_child_of_a_node_gets_most_rows(trees: Trees) -> None:
    """onnxruntime stores it next to the node, so that most steps of a row stay in one line of the cache."""
    rows = tree_columns(inputs(5000))
    rows = np.hstack([rows, -rows])
    attributes = {part.name: helper.get_attribute_value(part) for part in trees.operator("x", "y").attribute}
    place = {
        key: at for at, key in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True))
    }
    steps = []
    for row in rows[:200]:
        for tree in range(80):
            at = place[tree, 0]
            while attributes["nodes_modes"][at] != b"LEAF":
                is_first = row[attributes["nodes_featureids"][at]] <= np.float32(attributes["nodes_values"][at])
                steps.append(is_first)
                children = attributes["nodes_truenodeids" if is_first else "nodes_falsenodeids"]
                at = place[tree, children[at]]
    assert np.mean(steps) < 0.35


@pytest.mark.parametrize(("rows", "value"), [(3, 0.25), (60, 0.25), (100, 0.25), (500, 0.0)])
def test_a_constant_target_gives_trees_without_a_branch(rows: int, value: float) -> None:
    few = inputs(rows)
    trees = Trees.fit(few, np.full(rows, value), 5, seed=0, threads=1)
    np.testing.assert_allclose(trees.predict(few), value, atol=1e-6)
    np.testing.assert_allclose(operator_output(trees, tree_columns(few)), value, atol=1e-6)


def test_the_trees_do_not_depend_on_the_number_of_threads(trees: Trees) -> None:
    rows = inputs(5000)
    again = Trees.fit(rows, target(rows), 80, seed=0, threads=2)
    assert again.text.split("parameters:")[0] == trees.text.split("parameters:")[0]


def test_saved_trees_are_the_same(trees: Trees) -> None:
    new = inputs(100, seed=3)
    np.testing.assert_array_equal(Trees.of(trees.arrays()).predict(new), trees.predict(new))


@pytest.mark.parametrize("anchor", [None, ([0.5, 0.0, 0.0, 0.1], 1.0)])
def test_the_graph_has_the_weighted_mean_of_network_and_trees(
    trees: Trees, anchor: tuple[list[float], float] | None
) -> None:
    torch.manual_seed(0)
    net = TabularNet([(7, 3), (3, 2)], 4, [16], [0.1], y_range=(-1.0, 3.0), anchor=anchor).eval()
    rows = inputs(50, seed=4)
    example = (torch.from_numpy(rows.cats), torch.from_numpy(rows.conts), torch.zeros((50, 1)))
    network = to_onnx(FoldedNet(net, 0.25), example, ("cats", "conts", "trees"))
    content = with_trees(network, trees, name="trees")
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert {value.name for value in session.get_inputs()} == {"cats", "conts"}
    with torch.no_grad():
        by_network = net(*example[:2]).numpy()
    base = 0.0 if anchor is None else rows.conts @ np.array(anchor[0]) + anchor[1]
    expected = np.clip(0.75 * by_network + 0.25 * (trees.predict(rows) + base), -1, 3)
    for part in (slice(0, 1), slice(0, 50)):
        (y,) = session.run(None, {"cats": rows.cats[part], "conts": rows.conts[part]})
        np.testing.assert_allclose(y, expected[part], rtol=1e-5, atol=1e-5)


def test_a_machine_without_openmp_gets_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(TreesError, match=r"libgomp1.*--trees 0"):
        Trees.fit(inputs(200), np.zeros(200), 1, seed=0, threads=1)
