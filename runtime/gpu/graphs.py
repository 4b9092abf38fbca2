"""Graphs of networks as a GPU computes them fastest, made from a bundle's graph when it is loaded.

A bundle has one graph for all devices. Three things slow it down on a GPU: photos travel as float32, convolutions leave
the tensor cores idle, and onnxruntime has boosted trees for CPUs only. The golden rows decide if the new graph serves.
In serving, only this module imports onnx; the extra ``gpu`` installs it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from runtime.errors import SessionError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_OPSET = 20  # of the exports; why: other versions have other inputs of ReduceSum and Cast


def photo_graph(file: Path, *, images: str, scale: NDArray[np.float32], shift: NDArray[np.float32]) -> bytes:
    """Return a network of photos that takes pixels and computes its convolutions in half precision.

    Args:
        file: the ``.onnx`` file.
        images: name of its input ``[photo, channel, y, x]``, which becomes ``[photo, y, x, channel]`` in uint8.
        scale: factor of each channel, ``[channel, 1, 1]``.
        shift: number that is subtracted from each channel then, ``[channel, 1, 1]``.

    Raises:
        SessionError: if the file can't be read, or the package onnx is missing.
    """
    model = _load(file)
    graph = model.graph
    _store_in_single_precision(graph)
    _compute_in_half_precision(graph)
    _take_pixels(graph, images, scale, shift)
    return _content(model)


def row_graph(file: Path) -> bytes:
    """Return a network of table rows whose boosted trees are tensor operations.

    Args:
        file: the ``.onnx`` file.

    Raises:
        SessionError: if the file can't be read, or the package onnx is missing.
    """
    model = _load(file)
    for node in [node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor"]:
        _replace(model.graph, node, _tree_operations(model.graph, node))
    return _content(model)


def _load(file: Path) -> "ModelProto":
    try:
        import onnx
    except ImportError as error:
        raise SessionError(f"{file} can't be rewritten for a GPU: {error}; install shopcat[gpu]") from error
    try:
        model = onnx.load(file)
    except Exception as error:  # protobuf's and onnx's own classes
        raise SessionError(f"{file} can't be read by onnx {onnx.__version__}: {error}") from error
    versions = {entry.domain: entry.version for entry in model.opset_import}
    if versions.get("", 0) != _OPSET:
        raise SessionError(f"{file} has version {versions.get('')} of ONNX's operators; a GPU's graph needs {_OPSET}")
    for index, node in enumerate(model.graph.node):
        node.name = f"node{index}"
    del model.graph.value_info[:]  # types between the nodes, which change
    return model


def _content(model: "ModelProto") -> bytes:
    content: bytes = model.SerializeToString()
    return content


def _take_pixels(graph: "GraphProto", images: str, scale: NDArray[np.float32], shift: NDArray[np.float32]) -> None:
    """Normalise photos in the graph, as `pets.images.normalise` does; a quarter of the bytes go to the GPU."""
    from onnx import TensorProto, helper

    (taken,) = (value for value in graph.input if value.name == images)
    rows, channels, height, width = (dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim)
    for node in graph.node:
        node.input[:] = [f"{images}.normal" if name == images else name for name in node.input]
    index = list(graph.input).index(taken)
    graph.input[index].CopyFrom(
        helper.make_tensor_value_info(images, TensorProto.UINT8, [rows, height, width, channels])
    )
    factor, offset = (_constant(graph, f"{images}.{name}", array) for name, array in _named(scale=scale, shift=shift))
    steps = [
        helper.make_node("Transpose", [images], [f"{images}.planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", [f"{images}.planes"], [f"{images}.float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{images}.float", factor], [f"{images}.scaled"]),
        helper.make_node("Sub", [f"{images}.scaled", offset], [f"{images}.normal"]),
    ]
    _insert(graph, 0, steps)


def _compute_in_half_precision(graph: "GraphProto") -> None:
    """Compute the convolutions, and all between them, in half precision, as tensor cores do.

    What follows the last convolution stays in single precision: logits and heatmaps cost little, and their sums need
    the digits.
    """
    from onnx import TensorProto, helper, numpy_helper

    halves, needed = [], set[str]()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or needed.intersection(node.output):
            needed.update(node.input)
            halves.append(node)
    computed = {name for node in halves for name in node.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    halved: dict[str, str] = {}
    for name in sorted({name for node in halves for name in node.input} - computed):
        tensor = weights.get(name)
        if tensor is not None and tensor.data_type == TensorProto.FLOAT:
            with np.errstate(over="ignore"):
                half = numpy_helper.to_array(tensor).astype(np.float16)
            if not np.isfinite(half).all():
                raise SessionError(f"{name} has numbers that are too large for half precision")
            halved[name] = f"{name}.half"
            graph.initializer.append(numpy_helper.from_array(half, halved[name]))
        elif tensor is None and name:
            halved[name] = f"{name}.half"
            at = next((place for place, node in enumerate(graph.node) if name in node.output), -1)
            _insert(graph, at + 1, [helper.make_node("Cast", [name], [halved[name]], to=TensorProto.FLOAT16)])
    for node in halves:
        node.input[:] = [halved.get(name, name) for name in node.input]
    names = {node.name for node in halves}
    others = [node for node in graph.node if node.name not in names]
    for name in sorted(computed.intersection(name for node in others for name in node.input)):
        for node in others:
            node.input[:] = [f"{name}.single" if taken == name else taken for taken in node.input]
        at = next(place for place, node in enumerate(graph.node) if name in node.output)
        _insert(graph, at + 1, [helper.make_node("Cast", [name], [f"{name}.single"], to=TensorProto.FLOAT)])
    _remove_unused(graph)


def _store_in_single_precision(graph: "GraphProto") -> None:
    """Replace half-precision weights that are cast to single precision by single-precision weights."""
    from onnx import TensorProto, numpy_helper

    stored = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0] in stored]
    for node in casts:
        weights = numpy_helper.to_array(stored[node.input[0]]).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, node.output[0]))
    names = {node.name for node in casts}
    _keep(graph.node, lambda node: node.name not in names)
    _remove_unused(graph)


def _tree_operations(graph: "GraphProto", trees: "NodeProto") -> "list[NodeProto]":
    """Return tensor operations that compute an ensemble of trees; their tables become constants of the graph.

    All rows walk down all trees at once, a level at a time: look up the node's column and threshold, compare, and look
    up the next node. A leaf leads to itself. A GPU takes a few kernels for each level, whatever the number of rows.
    """
    from onnx import TensorProto, helper

    tables = _TreeTables.of({attribute.name: helper.get_attribute_value(attribute) for attribute in trees.attribute})
    (columns,), (output,) = trees.input, trees.output

    def name(part: str) -> str:
        return f"{output}.{part}"

    column, threshold, lower, upper, value, root, axis = (
        _constant(graph, name(part), array)
        for part, array in _named(
            column=tables.column,
            threshold=tables.threshold,
            lower=tables.lower,
            upper=tables.upper,
            value=tables.value,
            root=tables.root[None],
            axis=np.array([1], np.int64),
        )
    )
    base = _constant(graph, name("base"), np.array([tables.base], np.float32))
    none = _constant(graph, name("none"), np.zeros((1,), np.float32))
    first = _constant(graph, name("first"), np.zeros((1,), np.int64))
    # [row, 1] of zeros, which gives the roots [1, tree] the shape [row, tree]
    steps = [
        helper.make_node("Gather", [columns, first], [name("any")], axis=1),
        helper.make_node("Mul", [name("any"), none], [name("zeros")]),
        helper.make_node("Cast", [name("zeros")], [name("rows")], to=TensorProto.INT32),
        helper.make_node("Add", [name("rows"), root], [name("at0")]),
    ]
    for level in range(tables.depth):
        at, following = name(f"at{level}"), name(f"at{level + 1}")
        column_at, threshold_at, x, goes_down, down, up = (
            name(f"{part}{level}") for part in ("column", "threshold", "x", "goes_down", "lower", "upper")
        )
        steps += [
            helper.make_node("Gather", [column, at], [column_at]),
            helper.make_node("Gather", [threshold, at], [threshold_at]),
            helper.make_node("GatherElements", [columns, column_at], [x], axis=1),
            helper.make_node("LessOrEqual", [x, threshold_at], [goes_down]),
            helper.make_node("Gather", [lower, at], [down]),
            helper.make_node("Gather", [upper, at], [up]),
            helper.make_node("Where", [goes_down, down, up], [following]),
        ]
    return [
        *steps,
        helper.make_node("Gather", [value, name(f"at{tables.depth}")], [name("values")]),
        helper.make_node("ReduceSum", [name("values"), axis], [name("sum")], keepdims=1),
        helper.make_node("Add", [name("sum"), base], [output]),
    ]


class _TreeTables:
    """Nodes of all trees in one row of tables.

    Attributes:
        column: column of each node's comparison; 0 in a leaf.
        threshold: largest value that goes to the lower branch; infinity in a leaf.
        lower: index of the node of the lower branch; the leaf itself in a leaf.
        upper: index of the node of the upper branch; the leaf itself in a leaf.
        value: value of each leaf; 0 elsewhere.
        root: index of each tree's root.
        base: value that is added to the sum.
        depth: number of comparisons on the longest way.
    """

    def __init__(self, n_nodes: int) -> None:
        self.column, self.lower, self.upper = (np.zeros(n_nodes, np.int32) for _ in range(3))
        self.threshold = np.full(n_nodes, np.inf, np.float32)
        self.value = np.zeros(n_nodes, np.float32)
        self.root: NDArray[np.int32] = np.zeros(0, np.int32)
        self.base, self.depth = 0.0, 0

    @classmethod
    def of(cls, attributes: dict[str, Any]) -> "_TreeTables":
        """Return the tables of ONNX's ``TreeEnsembleRegressor``.

        Raises:
            SessionError: if the trees need something that the tables don't have.
        """
        modes = {mode.decode() for mode in attributes["nodes_modes"]}
        transform = attributes.get("post_transform", b"NONE").decode()
        sums = attributes.get("aggregate_function", b"SUM").decode()
        tracks = any(attributes.get("nodes_missing_value_tracks_true", ()))
        if not modes <= {"BRANCH_LEQ", "LEAF"} or tracks or (transform, sums) != ("NONE", "SUM"):
            raise SessionError(f"trees with {', '.join(sorted(modes))}, {transform}, {sums} can't run on a GPU")
        trees, nodes = attributes["nodes_treeids"], attributes["nodes_nodeids"]
        index = {key: place for place, key in enumerate(zip(trees, nodes, strict=True))}
        tables = cls(len(index))
        children: dict[int, tuple[int, int]] = {}
        for (tree, _), place in index.items():
            if attributes["nodes_modes"][place] == b"LEAF":
                tables.lower[place] = tables.upper[place] = place
                continue
            lower, upper = (index[tree, attributes[f"nodes_{branch}nodeids"][place]] for branch in ("true", "false"))
            tables.lower[place], tables.upper[place] = children[place] = lower, upper
            tables.column[place] = attributes["nodes_featureids"][place]
            tables.threshold[place] = attributes["nodes_values"][place]
        targets = zip(attributes["target_treeids"], attributes["target_nodeids"], strict=True)
        for key, weight in zip(targets, attributes["target_weights"], strict=True):
            tables.value[index[key]] += weight
        below = {child for pair in children.values() for child in pair}
        tables.root = np.array([place for place in index.values() if place not in below], np.int32)
        tables.base = float(sum(attributes.get("base_values", ())))
        level: Iterable[int] = tables.root.tolist()
        while level := [child for place in level for child in children.get(place, ())]:
            tables.depth += 1
        return tables


def _named(**arrays: NDArray[Any]) -> "Iterable[tuple[str, NDArray[Any]]]":
    return arrays.items()


def _constant(graph: "GraphProto", name: str, array: NDArray[Any]) -> str:
    """Add a constant to the graph, and return its name."""
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    return name


def _replace(graph: "GraphProto", node: "NodeProto", steps: "list[NodeProto]") -> None:
    """Put other nodes at the place of a node."""
    place = [other.name for other in graph.node].index(node.name)
    del graph.node[place]
    _insert(graph, place, steps)


def _remove_unused(graph: "GraphProto") -> None:
    """Remove the constants that no node reads."""
    used = {name for node in graph.node for name in node.input}
    _keep(graph.initializer, lambda tensor: tensor.name in used)


def _keep(messages: Any, condition: Callable[[Any], bool]) -> None:
    """Keep some of protobuf's messages; its own `remove` would compare all their bytes."""
    for place in reversed(range(len(messages))):
        if not condition(messages[place]):
            del messages[place]


def _insert(graph: "GraphProto", place: int, steps: "list[NodeProto]") -> None:
    for offset, step in enumerate(steps):
        step.name = step.name or step.output[0]
        graph.node.insert(place + offset, step)
