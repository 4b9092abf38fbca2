"""A target that ImageNet ignores: the side to which a vehicle points, with the network of the pets."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from labelling.demonstration.vehicles import Vehicle, draw, vehicles
from labelling.features.components import Components
from labelling.features.network import FeatureNetwork
from labelling.separation.projection import separate
from pets.images import open_photo

BUNDLE = Path(__file__).parents[3] / "model_store" / "pets"


@pytest.mark.integration
def test_the_best_space_for_the_side_of_a_vehicle_is_found_without_being_told() -> None:
    network = FeatureNetwork.load(BUNDLE)

    def pixels(vehicle: Vehicle) -> NDArray[np.uint8]:
        file = io.BytesIO()
        draw(vehicle).save(file, "JPEG", quality=90)
        return network.crop(open_photo(file.getvalue()))

    drawn = [vehicle for vehicle in vehicles(200, seed=3) if vehicle.view in ("left", "right")][:80]
    parts = [drawn[start : start + 8] for start in range(0, len(drawn), 8)]
    rows = np.concatenate([network.features(np.stack([pixels(vehicle) for vehicle in part])) for part in parts])
    spaces = {
        space.name: Components.fit(rows[:, columns], 50).project(rows[:, columns])
        for space, columns in network.columns.items()
    }
    found = separate(spaces, np.array([vehicle.view == "left" for vehicle in drawn], np.int64))
    assert found.space.endswith("-where")
    assert found.score > 0.8
    assert dict(found.ranking)["final-what"] < found.score - 0.1
