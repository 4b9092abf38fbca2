"""labelling.features.layout: the layout of a network's features, without the network."""

import pickle
from pathlib import Path

import numpy as np
from numpy.testing import assert_array_equal

from labelling.features.arrays import FILE, SpaceArrays, network_of
from labelling.features.layout import FeatureLayout
from labelling.features.network import FeatureNetwork
from labelling.features.spaces import Space
from labelling.features.table import FeatureTable, PhotoFacts
from tests.pets.fake_classifier import BUNDLE


def test_a_layout_is_that_of_the_network_and_can_be_sent() -> None:
    network = FeatureNetwork.load(BUNDLE)
    layout: FeatureLayout = pickle.loads(pickle.dumps(network.layout))
    assert layout == (network.key, network.columns, network.width)
    assert layout.spaces == tuple(network.columns)
    assert max(columns.stop for columns in layout.columns.values()) == layout.width


def test_arrays_say_which_photos_they_have_and_of_which_network(tmp_path: Path) -> None:
    assert network_of(tmp_path) is None
    table = FeatureTable(tmp_path / "features", "a" * 64, 4)
    photos = [f"{number:064x}" for number in range(6)]
    facts = [PhotoFacts(photo, 9, 9, 0) for photo in photos]
    table.append(facts, np.random.default_rng(0).normal(size=(6, 4)))
    arrays = SpaceArrays(tmp_path, table, {Space("final", "what"): slice(0, 4)})
    assert arrays.version == ("", 0)
    assert not arrays.projected(photos).any()
    arrays.fit(photos[:4])
    assert_array_equal(arrays.projected(photos), [True] * 4 + [False] * 2)
    assert network_of(tmp_path) == "a" * 64
    first = arrays.version
    assert first[1] == 4
    reader = SpaceArrays(tmp_path, table, {Space("final", "what"): slice(0, 4)})
    arrays.add(photos)
    assert not reader.refresh()
    assert (reader.version, arrays.version) == ((first[0], 6), (first[0], 6))
    arrays.fit(photos)
    assert reader.refresh()
    assert reader.version == arrays.version != first
    (tmp_path / FILE).unlink()
    assert not reader.refresh()
