"""Export of trained networks to ONNX."""

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
    """Export a network to ONNX, with a dynamic number of rows in its inputs.

    Args:
        net: network, which is exported in eval mode.
        example: inputs of at least 2 rows, on the network's device.
        names: names of the inputs in the graph.
        outputs: names of the outputs in the graph.

    Returns:
        The content of an ONNX file, without the exporter's metadata, which contain paths of this machine.
    """
    net.eval()
    row = torch.export.Dim("row")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the inputs share the number of rows on purpose
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
    """Replace the weights in an exported network by references to a safetensors file.

    Each weight is then stored once, and the graph runs with exactly the numbers of the file. Half-precision weights are
    cast to single precision when the graph is loaded. Weights that the export has changed stay in the graph.

    Args:
        network: content of an ONNX file.
        weights: safetensors file; the network must lie beside it.
        prefix: prefix of the graph's names that the file's names lack.

    Returns:
        The content of the new ONNX file.
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
            single, tensor.name = tensor.name, f"{tensor.name}_half"
            cast = onnx.helper.make_node("Cast", [tensor.name], [single], to=TensorProto.FLOAT)
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
