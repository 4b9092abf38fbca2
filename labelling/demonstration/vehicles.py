"""Draw vehicles in streets, yards and fields, from all sides, in sun and dusk; deterministic by a seed."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from labelling.demonstration.camera import Camera
from labelling.demonstration.models import MODELS, Colour
from labelling.demonstration.painting import Light, paint_vehicle
from labelling.demonstration.places import paint_place
from runtime.folder import new_folder

TRUTH = "truth.csv"
COLOURS: dict[str, Colour] = {
    "red": (196, 30, 34),
    "orange": (236, 122, 24),
    "yellow": (240, 204, 40),
    "green": (34, 122, 62),
    "blue": (34, 76, 170),
    "white": (236, 236, 232),
    "grey": (136, 140, 146),
    "black": (40, 40, 44),
}
VIEWS = ("front", "right", "back", "left")
_MARGIN = 1.09  # the drawing is larger than the photo, because it is turned
_QUALITY = 88  # of the JPEG files


class Vehicle(NamedTuple):
    """A drawn photo and its truth.

    Attributes:
        name: name of its file.
        kind: car, van, pickup, bus or truck.
        colour: name of its colour.
        angle: direction that it points in, degrees: 0 to the viewer, 90 to the right, 180 away, 270 to the left.
        seed: seeds of the rest: shape, place, light and camera.
    """

    name: str
    kind: str
    colour: str
    angle: float
    seed: tuple[int, int]

    @property
    def view(self) -> str:
        """Return the nearest of the four main directions: front, right, back or left.

        >>> [Vehicle("", "car", "red", angle, (0, 0)).view for angle in (350, 80, 181, 300)]
        ['front', 'right', 'back', 'left']
        """
        return VIEWS[round(self.angle / 90) % 4]


def vehicles(photos: int = 600, *, seed: int = 0) -> list[Vehicle]:
    """Return the truth of all photos. Each kind occurs equally often; colours and angles are independent of it."""
    rng = np.random.default_rng([seed, 0])
    kinds = rng.permutation(np.resize(list(MODELS), photos)).tolist()
    colours = rng.permutation(np.resize(list(COLOURS), photos)).tolist()
    angles = rng.permutation((np.arange(photos) + rng.random(photos)) * 360 / photos).tolist()
    rows = zip(kinds, colours, angles, strict=True)
    return [
        Vehicle(f"vehicle_{number:04d}.jpg", kind, colour, round(angle, 1), (seed, number))
        for number, (kind, colour, angle) in enumerate(rows, 1)
    ]


def draw(vehicle: Vehicle) -> Image.Image:
    """Draw a photo."""
    rng = np.random.default_rng([*vehicle.seed, 1])
    width, height = int(rng.integers(340, 440)), int(rng.integers(280, 330))
    paint = np.array(COLOURS[vehicle.colour]) * rng.uniform(0.85, 1.1) * rng.uniform(0.97, 1.03, 3)
    red, green, blue = np.clip(paint, 0, 255).tolist()
    model = MODELS[vehicle.kind]((red, green, blue), rng)
    light = Light.draw(rng)
    size = (round(width * _MARGIN), round(height * _MARGIN))
    # The network sees the middle square, so the vehicle stays in it.
    camera = Camera.facing(
        model.corners(),
        angle=vehicle.angle,
        elevation=float(rng.uniform(2, 17)),
        distance=float(rng.uniform(2.2, 5)),
        size=size,
        within=height * float(rng.uniform(0.55, 0.95)),
        place=(float(rng.uniform(-0.85, 0.85)), float(rng.uniform(-0.85, 0.85))),
    )
    photo = paint_place(camera, light, rng)
    paint_vehicle(photo, model, camera, light)
    photo = photo.rotate(float(rng.uniform(-2, 2)), Image.Resampling.BILINEAR)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return light.exposed(photo.crop((left, top, left + width, top + height)), rng)


def write_demonstration(
    folder: Path, photos: int = 600, *, seed: int = 0, drawn: Callable[[Vehicle], object] = lambda _: None
) -> list[Vehicle]:
    """Write the drawn photos and ``truth.csv`` into a new folder, atomically.

    Args:
        folder: the new folder.
        photos: number of photos.
        seed: seed of everything.
        drawn: called after each photo.

    Returns:
        The truth, in the order of the file names.

    Raises:
        FolderError: if the folder exists and is not empty.
    """
    found = vehicles(photos, seed=seed)
    truth = io.StringIO()
    writer = csv.writer(truth, lineterminator="\n")
    writer.writerow(["name", "kind", "colour", "angle", "view"])
    with new_folder(folder) as part:
        for vehicle in found:
            draw(vehicle).save(part / vehicle.name, "JPEG", quality=_QUALITY)
            writer.writerow([*vehicle[:4], vehicle.view])
            drawn(vehicle)
        (part / TRUTH).write_text(truth.getvalue(), encoding="utf-8")
    return found
