"""The exported network with convolutions in 8 bits, for processors with integer dot products.

Weights have a scale for each output channel, activations one for each tensor, from the range that training photos
cause. The graph keeps the weights of the single-precision network and rounds them when it is loaded, so that a bundle
stores them once. The biases make up for the mean error of the rounding, as the data-free quantisation of Nagel et al.
does (2019, https://arxiv.org/abs/1906.04721), but with means that training photos cause.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from pets.graph import INPUTS, OUTPUTS, Rival, Target

PHOTOS = 64  # training photos that set the ranges; why: 200 gave the same error of the logits
MAX_FALL = 0.005  # of the accuracy on the validation photos; otherwise the bundle has single precision alone
_LEVELS = 127  # of a weight, on each side of 0
# onnxruntime warns about a graph without these marks; the exporter has already fused what its preparation would fuse
_PREPARED = {"onnx.infer": "onnxruntime.quant", "onnx.quant.pre_process": "onnxruntime.quant"}
_OPERATIONS = ("Conv", "Clip", "Relu", "Add", "MaxPool", "AveragePool")


def int8_network(network: bytes, images: NDArray[np.float32]) -> bytes:
    """Return a network with convolutions in 8 bits.

    Args:
        network: ONNX file of the network with its heatmaps, weights included.
        images: normalised photos of the training, ``[photo, channel, row, column]``.

    Returns:
        The content of an ONNX file, in which `training.export.refer_to_weights` finds the weights of ``network``.
    """
    model = onnx.load_from_string(network)
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    _round_weights(model, weights, images)
    with tempfile.TemporaryDirectory() as folder:
        rounded, quantised = Path(folder, "rounded.onnx"), Path(folder, "int8.onnx")
        model = onnx.shape_inference.infer_shapes(model)
        helper.set_model_props(model, _PREPARED)
        onnx.save(model, rounded)
        quantize_static(
            rounded,
            quantised,
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # why: onnxruntime has fast kernels of x86 for this pair alone: 10 ms, and 19 ms with signed activations
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=_body(model),
        )
        result = onnx.load(quantised)
    _round_when_loaded(result, weights)
    result.ClearField("metadata_props")
    content: bytes = result.SerializeToString(deterministic=True)
    return content


def logits(network: bytes, images: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the logits of a network with its weights, ``[photo, class]``, for normalised photos."""
    session = ort.InferenceSession(network, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(OUTPUTS[:1], batch)[0] for batch in _batches(images)])


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives onnxruntime one photo after the other."""

    def __init__(self, images: NDArray[np.float32]) -> None:
        self._batches = _batches(images)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)


def _batches(images: Iterable[NDArray[np.float32]]) -> Iterator[dict[str, NDArray[Any]]]:
    for image in images:
        yield dict(zip(INPUTS, (image[None], np.array([Target.PREDICTED]), np.array([Rival.NONE])), strict=True))


def _body(model: ModelProto) -> list[str]:
    """Return the names of the nodes that run in 8 bits: those between the first convolution and the head.

    The first convolution stays in single precision, because that takes no longer and is more exact.
    """
    nodes = list(model.graph.node)
    places = [place for place, node in enumerate(nodes) if node.op_type == "Conv"]
    first, last = places[0], places[-1]
    after = [place for place, node in enumerate(nodes) if nodes[last].output[0] in node.input]
    end = after[0] if len(after) == 1 and nodes[after[0]].op_type in _OPERATIONS else last
    return [node.name for node in nodes[first + 1 : end + 1] if node.op_type in _OPERATIONS]


def _round_weights(model: ModelProto, weights: dict[str, NDArray[Any]], images: NDArray[np.float32]) -> None:
    """Round the weights of all convolutions to their 255 values, and correct the biases for it."""
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    means = _means(model, sorted({node.input[0] for node in convolutions}), images)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in convolutions:
        data, weight = node.input[:2]
        before = weights[weight]
        rounded = _rounded(before)
        error = (rounded - before).sum(axis=(2, 3))  # [output channel, input channel of its group]
        groups = _groups(node)
        of_group = means[data].reshape(groups, -1).repeat(len(before) // groups, axis=0)
        correction = (error * of_group).sum(axis=1)
        _set(tensors[weight], rounded)
        if len(node.input) == 2:  # the exporter drops a bias of zeros
            node.input.append(f"{weight}_correction")
            tensors[node.input[2]] = model.graph.initializer.add(name=node.input[2])
        bias = node.input[2]
        _set(tensors[bias], weights.get(bias, 0) - correction)


def _rounded(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    scale = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / _LEVELS
    scale[scale == 0] = 1
    return np.asarray(np.round(weight / scale) * scale, np.float32)


def _groups(node: NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "group"), 1)


def _set(tensor: TensorProto, values: NDArray[np.floating]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))


def _means(model: ModelProto, names: list[str], images: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Return the mean of each channel of some tensors, over all photos."""
    probe = ModelProto()
    probe.CopyFrom(model)
    graph = probe.graph
    graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3]), "mean_axes"))
    for name in names:
        graph.node.append(helper.make_node("ReduceMean", [name, "mean_axes"], [f"{name}_mean"], keepdims=0))
        graph.output.append(helper.make_tensor_value_info(f"{name}_mean", TensorProto.FLOAT, None))
    session = ort.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [f"{name}_mean" for name in names]
    rows = [session.run(wanted, batch) for batch in _batches(images)]
    return {name: np.mean(values, axis=0, dtype=np.float64) for name, *values in zip(names, *rows, strict=True)}


def _round_when_loaded(model: ModelProto, weights: dict[str, NDArray[Any]]) -> None:
    """Replace the 8-bit weights by the original ones and a rounding, which onnxruntime does when it loads the graph."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "DequantizeLinear"]:
        name = node.input[0].removesuffix("_quantized")
        quantised = tensors.get(node.input[0])
        if quantised is None or quantised.data_type != TensorProto.INT8 or name not in weights:
            continue
        rounding = helper.make_node("QuantizeLinear", [name, *node.input[1:]], [quantised.name], axis=0)
        graph.initializer.remove(quantised)
        graph.initializer.append(numpy_helper.from_array(weights[name], name))
        graph.node.insert(0, rounding)
