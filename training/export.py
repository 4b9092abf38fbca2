"""A trained network as an ONNX file."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, numpy_helper
from safetensors.numpy import load_file
from torch import Tensor, nn


def to_onnx(
    net: nn.Module,
    example: tuple[Tensor, ...],
    names: Sequence[str],
    outputs: Sequence[str] = ("y",),
) -> bytes:
    """Export a network whose inputs have a free number of rows.

    Args:
        net: the network; it is exported in eval mode.
        example: inputs of at least 2 rows, on the network's device.
        names: the inputs' names in the exported graph.
        outputs: the outputs' names.

    Returns:
        The content of an ``.onnx`` file, without the exporter's notes, which carry paths of this machine.
    """
    net.eval()
    row = torch.export.Dim("row")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the inputs share the number of rows is meant
        program = torch.onnx.export(
            net,
            example,
            dynamo=True,
            verbose=False,
            input_names=list(names),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: row} for _ in example),
        )
    assert program is not None
    model = program.model_proto
    model.ClearField("metadata_props")
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def refer_to_weights(network: bytes, weights: Path, *, prefix: str) -> bytes:
    """Take the weights out of an exported network that stand in a safetensors file, and refer to that instead.

    So each weight is there once, and the graph runs with the very numbers that the file has. What the file has in half
    precision is cast to single precision when the graph is loaded. What export has changed stays in the graph.

    Args:
        network: an ONNX file's content.
        weights: the safetensors file; the network must lie beside it.
        prefix: what the graph's names have before those of the file.

    Returns:
        An ONNX file's content.
    """
    model = onnx.load_from_string(network)
    arrays = load_file(weights)
    with weights.open("rb") as file:  # safetensors: 8 bytes with the header's length, the header, the tensors
        start = 8 + int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(start - 8))
    for tensor in model.graph.initializer:
        name = tensor.name.removeprefix(prefix)
        stored = header.get(name)
        if stored is None or stored["dtype"] not in _TYPES:
            continue
        if not np.array_equal(numpy_helper.to_array(tensor), arrays[name]):
            continue
        first, end = stored["data_offsets"]
        if stored["dtype"] == "F16":
            whole, tensor.name = tensor.name, f"{tensor.name}_half"
            cast = onnx.helper.make_node("Cast", [tensor.name], [whole], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
        tensor.data_type = _TYPES[stored["dtype"]]
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        place = {"location": weights.name, "offset": str(start + first), "length": str(end - first)}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


_TYPES = {"F32": TensorProto.FLOAT, "F16": TensorProto.FLOAT16}
