"""labelling.demonstration: drawn vehicles whose truth is known, the same for the same seed."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelling.demonstration import Vehicle, draw, vehicles, write_demonstration
from labelling.demonstration.camera import Camera
from labelling.demonstration.models import MODELS, normal
from labelling.demonstration.vehicles import COLOURS, TRUTH, VIEWS
from pets.images import open_photo
from runtime.folder import FolderError


def test_the_truth_is_balanced_and_varied() -> None:
    drawn = vehicles()
    assert len(drawn) == len({vehicle.name for vehicle in drawn}) == 600
    for field, names in (("kind", MODELS), ("colour", COLOURS), ("view", VIEWS)):
        counts = [sum(getattr(vehicle, field) == name for vehicle in drawn) for name in names]
        assert min(counts) > 0.9 * 600 / len(names)
    angles = np.sort([vehicle.angle for vehicle in drawn])
    assert np.diff(angles).max() < 2
    pairs = {(vehicle.kind, vehicle.view) for vehicle in drawn}
    assert len(pairs) == len(MODELS) * len(VIEWS)


def test_a_seed_decides_every_pixel() -> None:
    one, other = vehicles(5, seed=3), vehicles(5, seed=3)
    assert one == other
    assert vehicles(5, seed=4) != one
    assert draw(one[2]).tobytes() == draw(other[2]).tobytes()
    moved = one[2]._replace(seed=(4, 3))
    assert draw(moved).tobytes() != draw(one[2]).tobytes()


def test_the_folder_has_photos_and_their_truth(tmp_path: Path) -> None:
    drawn = write_demonstration(tmp_path / "demo", 6, seed=1)
    with (tmp_path / "demo" / TRUTH).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [vehicle.name for vehicle in drawn]
    assert [(float(row["angle"]), row["view"]) for row in rows] == [(drawn.angle, drawn.view) for drawn in drawn]
    for vehicle in drawn:
        photo = open_photo((tmp_path / "demo" / vehicle.name).read_bytes())
        assert (photo.width, photo.height) == draw(vehicle).size
        assert np.asarray(photo.image).std() > 10
    with pytest.raises(FolderError, match="not empty"):
        write_demonstration(tmp_path / "demo", 6)


@pytest.mark.parametrize(
    ("angle", "expected"),
    [(0, "near"), (90, "right"), (180, "far"), (270, "left"), (45, "right"), (225, "left")],
)
def test_the_front_is_where_the_angle_says(angle: float, expected: str) -> None:
    corners = MODELS["car"]((200, 0, 0), np.random.default_rng(0)).corners()
    camera = Camera.facing(
        corners, angle=angle, elevation=10, distance=3, size=(400, 300), within=200, place=(0.0, 0.0)
    )
    front, rear = np.array([[2.0, 0, 0.5]]), np.array([[-2.0, 0, 0.5]])
    (x_front, _), (x_rear, _) = camera.project(np.concatenate([front, rear]))
    ahead = float(camera.ahead(front)[0] - camera.ahead(rear)[0])
    assert {"near": ahead < -3, "far": ahead > 3, "right": x_front > x_rear + 50, "left": x_front < x_rear - 50}[
        expected
    ]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("angle", [10, 100, 200, 300])
def test_a_vehicle_is_within_the_middle_square(kind: str, angle: float) -> None:
    corners = MODELS[kind]((200, 0, 0), np.random.default_rng(0)).corners()
    for place in ((-1.0, -1.0), (1.0, 1.0)):
        camera = Camera.facing(corners, angle=angle, elevation=8, distance=3, size=(400, 300), within=270, place=place)
        x, y = camera.project(corners).T
        assert 50 - 1e-6 <= x.min() < x.max() <= 350 + 1e-6
        assert -1e-6 <= y.min() < y.max() <= 300 + 1e-6
        assert max(np.ptp(x), np.ptp(y)) == pytest.approx(270)


@pytest.mark.parametrize("kind", MODELS)
def test_faces_point_outwards_and_markings_lie_on_them(kind: str) -> None:
    model = MODELS[kind]((200, 0, 0), np.random.default_rng(0))
    for stack in model.stacks:
        for body in stack:
            middle = np.concatenate([face.corners for face in body.faces()]).mean(axis=0)
            for face in body.faces():
                direction = normal(face.corners)
                assert direction @ (face.corners.mean(axis=0) - middle) > 0
                for points, _ in face.markings:
                    assert np.abs((points - face.corners.mean(axis=0)) @ direction).max() < 0.12


@pytest.mark.parametrize("kind", MODELS)
def test_the_colour_is_that_of_the_truth(kind: str) -> None:
    """Two drawings that differ only in the colour of the truth differ where that colour is."""
    for number in range(3):
        red, blue = (np.asarray(draw(Vehicle("", kind, colour, 70, (0, number))), float) for colour in ("red", "blue"))
        painted = np.abs(red - blue).max(axis=2) > 40
        assert 0.01 < painted.mean() < 0.6
        assert (red[painted].mean(axis=0).argmax(), blue[painted].mean(axis=0).argmax()) == (0, 2)


def test_photos_are_not_all_of_one_size_and_light() -> None:
    drawn = [draw(vehicle) for vehicle in vehicles(8)]
    assert len({image.size for image in drawn}) > 4
    assert np.std([np.asarray(image.convert("L")).mean() for image in drawn]) > 8
    assert isinstance(drawn[0], Image.Image)
