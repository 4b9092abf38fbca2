"""pets.graph: the shipped network has the names of inputs and outputs that the classifier uses."""

from pathlib import Path

import onnx

from pets.graph import INPUTS, OUTPUTS

NETWORK = Path(__file__).parents[2] / "model_store" / "pets" / "model.onnx"


def test_the_shipped_network_has_these_inputs_and_outputs() -> None:
    graph = onnx.load(NETWORK, load_external_data=False).graph
    assert tuple(value.name for value in graph.input) == INPUTS
    assert tuple(value.name for value in graph.output) == OUTPUTS
