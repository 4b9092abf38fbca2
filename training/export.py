"""A trained network as an ONNX file."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def to_onnx(net: nn.Module, example: tuple[Tensor, ...], names: Sequence[str]) -> bytes:
    """Export a network whose inputs have a free number of rows.

    Args:
        net: the network; it is exported in eval mode.
        example: inputs of at least 2 rows, on the network's device.
        names: the inputs' names in the exported graph. The output is called ``y``.

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
            output_names=["y"],
            dynamic_shapes=tuple({0: row} for _ in example),
        )
    assert program is not None
    model = program.model_proto
    model.ClearField("metadata_props")
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
    content: bytes = model.SerializeToString(deterministic=True)
    return content
