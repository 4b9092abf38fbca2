"""Boosted regression trees on the network's columns, fitted by LightGBM and exported as one ONNX operator.

The trees learn what the network learns, the difference to the anchor. Trees and networks make different errors, so that
their mean is better than both: 0.1048 against 0.1080 and 0.1094 (RMSPE, every fourth Rossmann store, four windows). The
codes of the categories are numbers here, because LightGBM's own splits of categories were worse (0.1108).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from runtime.errors import UserError
from sales.preprocess import Prepared

PARAMETERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "objective": "l2",
        "learning_rate": 0.05,
        "num_leaves": 127,
        "min_data_in_leaf": 50,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "max_bin": 127,
        "deterministic": True,
        "force_row_wise": True,  # why: otherwise LightGBM times both layouts, and the choice changes the sums
        "verbosity": -1,
    }
)


class TreesError(UserError):
    """LightGBM can't be loaded; the message names the remedy."""


def lightgbm() -> ModuleType:
    """Return the package LightGBM.

    Raises:
        TreesError: if it can't be loaded. Its wheel needs the system's OpenMP library.
    """
    try:
        import lightgbm
    except (ImportError, OSError) as error:
        raise TreesError(
            f"LightGBM can't be loaded: {error}; install the OpenMP library (Debian: apt install libgomp1, macOS: brew "
            "install libomp) and shopcat[train], or train the network alone with --trees 0"
        ) from error
    return lightgbm


@dataclass(frozen=True)
class Trees:
    """Fitted trees.

    Attributes:
        text: the trees in LightGBM's text format, from which they are restored exactly.
    """

    text: str

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.uint8]]) -> "Trees":
        """Return the trees of some arrays, as ``arrays`` returns them."""
        return cls(arrays["trees"].tobytes().decode())

    def arrays(self) -> dict[str, NDArray[np.uint8]]:
        """Return the trees as the bytes of their text, to save beside the network's weights."""
        return {"trees": np.frombuffer(self.text.encode(), dtype=np.uint8).copy()}

    @classmethod
    def fit(cls, prepared: Prepared, target: NDArray[np.floating], rounds: int, *, seed: int, threads: int) -> "Trees":
        """Fit trees by least squares.

        Args:
            prepared: inputs of the training rows.
            target: ``[row]``, values to learn.
            rounds: number of trees.
            seed: seed of the rows and columns that each tree sees.
            threads: number of threads; the result does not depend on it.
        """
        parameters = {**PARAMETERS, "seed": seed, "num_threads": threads}
        package = lightgbm()
        data = package.Dataset(tree_columns(prepared), target, params=parameters, free_raw_data=True)
        return cls(package.train(parameters, data, num_boost_round=rounds).model_to_string())

    @cached_property
    def _booster(self) -> Any:
        """The trees in LightGBM, read from the text once: some MB."""
        return lightgbm().Booster(model_str=self.text)

    def predict(self, prepared: Prepared, *, threads: int = 1) -> NDArray[np.float64]:
        """Return the sum of all trees ``[row]``, computed by LightGBM, the reference for the exported operator."""
        return np.asarray(self._booster.predict(tree_columns(prepared), num_threads=threads), dtype=np.float64)

    def operator(self, columns: str, output: str) -> onnx.NodeProto:
        """Return the trees as ONNX's ``TreeEnsembleRegressor``.

        onnxruntime stores the second child of a node next to it. So the second one is the child that more training rows
        reach: a row then reads half of the memory. A node that exchanges its children compares the negative column.

        Args:
            columns: name of its input, ``[row, column]``: the columns, and then their negatives.
            output: name of its output, ``[row, 1]``.
        """
        nodes, leaves = _Nodes(), _Leaves()
        n_columns = self._booster.num_feature()
        for number, tree in enumerate(self._booster.dump_model()["tree_info"]):
            _add(tree["tree_structure"], number, nodes, leaves, n_columns)
        attributes = {**nodes.attributes(), **leaves.attributes()}
        return helper.make_node(
            "TreeEnsembleRegressor", [columns], [output], domain="ai.onnx.ml", n_targets=1, **attributes
        )


def with_trees(network: bytes, trees: Trees, *, name: str) -> bytes:
    """Compute an input of an exported network by trees, from its other inputs.

    Args:
        network: content of an ONNX file, with inputs ``cats`` and ``conts``.
        trees: the trees.
        name: input of the network that the trees replace, ``[row, 1]``.

    Returns:
        The content of the new ONNX file.
    """
    model = onnx.load_from_string(network)
    graph = model.graph
    (replaced,) = (value for value in graph.input if value.name == name)
    graph.input.remove(replaced)
    cats, conts = Prepared._fields
    codes, columns, negatives, both = (f"{name}.{part}" for part in ("codes", "columns", "negatives", "both"))
    for place, node in enumerate(
        (
            helper.make_node("Cast", [cats], [codes], to=TensorProto.FLOAT),
            helper.make_node("Concat", [codes, conts], [columns], axis=1),
            helper.make_node("Neg", [columns], [negatives]),
            helper.make_node("Concat", [columns, negatives], [both], axis=1),
            trees.operator(both, name),
        )
    ):
        graph.node.insert(place, node)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def tree_columns(prepared: Prepared) -> NDArray[np.float32]:
    """Return the trees' columns ``[row, column]``: the codes of the categories, then the numbers."""
    return np.hstack([prepared.cats.astype(np.float32), prepared.conts])


class _Nodes:
    """Attributes of the operator that have a value for each node."""

    def __init__(self) -> None:
        self.trees: list[int] = []
        self.numbers: list[int] = []
        self.columns: list[int] = []
        self.thresholds: list[float] = []
        self.children: list[tuple[int, int]] = []  # 0, 0 for a leaf

    def attributes(self) -> dict[str, Any]:
        """Return the attributes by name."""
        lower, upper = zip(*self.children, strict=True)
        return {
            "nodes_treeids": self.trees,
            "nodes_nodeids": self.numbers,
            "nodes_featureids": self.columns,
            "nodes_values": self.thresholds,
            "nodes_truenodeids": lower,
            "nodes_falsenodeids": upper,
            "nodes_modes": ["BRANCH_LEQ" if pair != (0, 0) else "LEAF" for pair in self.children],
        }


class _Leaves:
    """Attributes of the operator that have a value for each leaf."""

    def __init__(self) -> None:
        self.trees: list[int] = []
        self.numbers: list[int] = []
        self.values: list[float] = []

    def attributes(self) -> dict[str, Any]:
        """Return the attributes by name."""
        return {
            "target_treeids": self.trees,
            "target_nodeids": self.numbers,
            "target_ids": [0] * len(self.trees),
            "target_weights": self.values,
        }


def _add(root: Mapping[str, Any], tree: int, nodes: _Nodes, leaves: _Leaves, n_columns: int) -> None:
    """Add the nodes of one tree, as LightGBM describes them; see `Trees.operator`."""
    waiting: list[tuple[Mapping[str, Any], int, int]] = [(root, -1, 0)]  # node, place of its parent, which child
    first = len(nodes.trees)
    while waiting:
        node, parent, child = waiting.pop()
        place = len(nodes.trees)
        if parent >= 0:
            pair = list(nodes.children[parent])
            pair[child] = place - first
            nodes.children[parent] = (pair[0], pair[1])
        nodes.trees.append(tree)
        nodes.numbers.append(place - first)
        nodes.children.append((0, 0))
        if "leaf_value" in node:
            nodes.columns.append(0)
            nodes.thresholds.append(0.0)
            leaves.trees.append(tree)
            leaves.numbers.append(place - first)
            leaves.values.append(float(node["leaf_value"]))
            continue
        children, column = [node["left_child"], node["right_child"]], node["split_feature"]
        at_most = _at_most(node["threshold"])
        below = float(np.nextafter(np.float32(-at_most), np.float32(-np.inf)))
        # Denormal numbers are 0 in a process that flushes them.
        if _rows(children[0]) > _rows(children[1]) and abs(below) >= np.finfo(np.float32).tiny:
            children.reverse()
            column, at_most = column + n_columns, below  # x > threshold is -x <= below
        nodes.columns.append(column)
        nodes.thresholds.append(at_most)
        waiting += [(children[0], place, 0), (children[1], place, 1)]


def _rows(node: Mapping[str, Any]) -> int:
    """Return the number of training rows that reach a node."""
    return int(node["internal_count"] if "internal_count" in node else node["leaf_count"])


def _at_most(threshold: float) -> float:
    """Return the largest float32 that is not above a threshold.

    Every float32 is then on the same side of it as of the threshold, which LightGBM compares in float64.
    """
    nearest = np.float32(threshold)
    return float(nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-np.inf)))
