"""labelling.features.spaces: the spaces are the outputs of the graph, with names and texts for people."""

import onnxruntime as ort

from labelling.features.spaces import BY_NAME, SPACES, Space
from pets.bundle import FEATURES
from tests.pets.fake_classifier import BUNDLE


def test_every_output_of_the_shipped_graph_is_a_space() -> None:
    session = ort.InferenceSession(BUNDLE / FEATURES, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == [space.name for space in SPACES]
    assert [BY_NAME[space.name] for space in SPACES] == list(SPACES)


def test_every_space_has_a_text_of_its_own() -> None:
    assert len({space.text for space in SPACES}) == len(SPACES) == 14
    assert Space("early", "what").text == "colours and edges, anywhere in the photo"
