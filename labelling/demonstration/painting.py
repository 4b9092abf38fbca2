"""Light, and vehicles painted in it: far parts first, with shading, a shadow and wheels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from labelling.demonstration.camera import Camera
from labelling.demonstration.models import DARK, Body, Colour, Model, Points, Wheel, normal

_TYRE: Colour = (26, 26, 28)
_RIM: Colour = (168, 170, 176)
_CIRCLE = np.linspace(0, 2 * np.pi, 25)[:-1]
_SMOOTH = 2  # pixels of the drawing for one of the picture, on each side, so that edges are smooth
_TREAD = 0.24  # width of a wheel, metres


@dataclass(frozen=True)
class Light:
    """The light of a photo.

    Attributes:
        sun: direction to the sun, of length 1.
        direct: share of the sun's light, 0 to 1; the rest comes from all sides.
        tint: factor of red, green and blue.
        noise: standard deviation of the sensor's noise, of 255.
    """

    sun: NDArray[np.float64]
    direct: float
    tint: NDArray[np.float64]
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Light":
        """Draw a light: high or low sun, clear or cloudy, warm or cold, bright or dim."""
        azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 75))
        sun = np.array([np.cos(azimuth) * np.cos(height), np.sin(azimuth) * np.cos(height), np.sin(height)])
        warmth = rng.normal(0, 0.07)
        tint = rng.uniform(0.75, 1.22) * np.array([1 + warmth, 1, 1 - warmth])
        return cls(sun, float(rng.uniform(0.1, 0.6)), tint, float(rng.uniform(1, 6)))

    def shade(self, colour: Colour, direction: NDArray[np.float64]) -> tuple[int, int, int]:
        """Return the colour of a face that points in a direction."""
        bright = 1 - self.direct + self.direct * max(float(direction @ self.sun), 0.0) * 1.4
        bright *= 0.9 + 0.1 * float(direction[2])  # the sky is brighter than the ground
        red, green, blue = (min(int(value * bright), 255) for value in colour)
        return red, green, blue

    def exposed(self, photo: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Return a photo in the light's tint and with the sensor's noise."""
        pixels = np.asarray(photo, np.float32) * self.tint.astype(np.float32)
        pixels += self.noise * rng.standard_normal(pixels.shape[:2], np.float32)[..., None]
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def paint_vehicle(photo: Image.Image, model: Model, camera: Camera, light: Light) -> None:
    """Paint a vehicle and its shadow."""
    _paint_shadow(photo, model, camera, light)
    camera = camera.enlarged(_SMOOTH)
    layer = Image.new("RGBA", camera.size)
    pen = ImageDraw.Draw(layer)
    for wheel in sorted(model.wheels, key=lambda wheel: -_distance(camera, np.array([wheel.centre]))):
        _paint_tread(pen, wheel, camera)
    for stack in sorted(model.stacks, key=lambda stack: -_distance(camera, _corners(stack))):
        for body in stack:
            _paint_body(pen, body, camera, light)
    for wheel in model.wheels:
        if (camera.position[1] - wheel.centre[1]) * wheel.side > 0:
            _paint_outside(pen, wheel, camera, light)
    layer = layer.reduce(_SMOOTH)
    photo.paste(layer, mask=layer)


def _corners(stack: list[Body]) -> Points:
    return np.concatenate([face.corners for body in stack for face in body.faces()])


def _distance(camera: Camera, corners: Points) -> float:
    """Return the distance from the camera to the middle of a part, along the ground."""
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    return float(np.linalg.norm(middle[:2] - camera.position[:2]))


def _paint_body(pen: ImageDraw.ImageDraw, body: Body, camera: Camera, light: Light) -> None:
    for face in body.faces():
        direction = normal(face.corners)
        if direction @ (camera.position - face.corners.mean(axis=0)) <= 0:
            continue
        _polygon(pen, camera, face.corners, light.shade(face.colour, direction))
        for corners, colour in face.markings:
            _polygon(pen, camera, corners, light.shade(colour, direction))


def _paint_tread(pen: ImageDraw.ImageDraw, wheel: Wheel, camera: Camera) -> None:
    """Paint a wheel as a dark cylinder; bodies will hide its upper part."""
    outer = _circle(wheel, wheel.radius)
    inner = outer - (0, wheel.side * _TREAD, 0)
    following = np.roll(np.arange(len(outer)), -1)
    for corners in (inner, outer):
        _polygon(pen, camera, corners, (20, 20, 22))
    for here, there in enumerate(following):
        _polygon(pen, camera, np.array([outer[here], outer[there], inner[there], inner[here]]), (20, 20, 22))


def _paint_outside(pen: ImageDraw.ImageDraw, wheel: Wheel, camera: Camera, light: Light) -> None:
    """Paint the outer side of a wheel, and the arch above it."""
    direction = np.array([0.0, wheel.side, 0.0])
    arch = _circle(wheel, wheel.radius * 1.2)
    arch[:, 2] = np.maximum(arch[:, 2], wheel.radius * 0.85)
    _polygon(pen, camera, arch, light.shade(DARK, direction))
    for share, colour in ((1.0, _TYRE), (0.62, _RIM), (0.5, (120, 122, 128)), (0.18, _TYRE)):
        _polygon(pen, camera, _circle(wheel, wheel.radius * share), light.shade(colour, direction))


def _circle(wheel: Wheel, radius: float) -> Points:
    x, y, z = wheel.centre
    return np.stack([x + radius * np.cos(_CIRCLE), np.full(len(_CIRCLE), y), z + radius * np.sin(_CIRCLE)], axis=1)


def _polygon(pen: ImageDraw.ImageDraw, camera: Camera, corners: Points, colour: tuple[int, int, int]) -> None:
    pen.polygon([(float(x), float(y)) for x, y in camera.project(corners)], fill=colour)


def _paint_shadow(photo: Image.Image, model: Model, camera: Camera, light: Light) -> None:
    """Darken the ground where the vehicle is between it and the sun, and below the vehicle."""
    mask = Image.new("L", photo.size)
    pen = ImageDraw.Draw(mask)
    for stack in model.stacks:
        for body in stack:
            for face in body.faces():
                shadow = face.corners - face.corners[:, 2:] * light.sun / light.sun[2]
                _fill(pen, camera, shadow, int(60 + 160 * light.direct))
            below = _corners([body]) * (1, 1, 0)
            low, high = below.min(axis=0), below.max(axis=0)
            corners = np.array([low, (high[0], low[1], 0), high, (low[0], high[1], 0)])
            _fill(pen, camera, corners, 190)
    mask = mask.filter(ImageFilter.BoxBlur(1.5 + 5 * (1 - light.direct)))
    photo.paste((12, 12, 18), mask=mask)


def _fill(pen: ImageDraw.ImageDraw, camera: Camera, corners: Points, value: int) -> None:
    pen.polygon([(float(x), float(y)) for x, y in camera.project(corners)], fill=value)
