"""Places behind the vehicles: sky, ground, road, houses, trees and hills."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from labelling.demonstration.camera import Camera
from labelling.demonstration.painting import Light

_SKIES = ((112, 160, 222), (168, 190, 214), (196, 200, 206), (224, 176, 140), (92, 108, 140))
_GROUNDS = ((104, 104, 108), (132, 128, 122), (98, 128, 70), (150, 136, 104), (120, 112, 110), (176, 178, 182))
_WALLS = ((168, 110, 88), (206, 194, 170), (150, 154, 160), (120, 96, 84), (222, 222, 214), (94, 108, 118))
_LEAVES = ((58, 98, 48), (86, 116, 52), (44, 78, 44), (128, 112, 50))


def paint_place(camera: Camera, light: Light, rng: np.random.Generator) -> Image.Image:
    """Return a picture of a random place, with the camera's horizon."""
    width, height = camera.size
    horizon = float(np.clip(camera.horizon, 0.05 * height, 0.8 * height))
    pixels = np.empty((height, 1, 3))
    rows = np.arange(height)
    sky, ground = (np.array(colours[rng.integers(len(colours))]) for colours in (_SKIES, _GROUNDS))
    up = np.clip((horizon - rows) / horizon, 0, 1)[:, None]
    down = np.clip((rows - horizon) / (height - horizon), 0, 1)[:, None]
    far = np.minimum(sky * 0.4 + 150, 245)
    pixels[:, 0] = np.where(rows[:, None] < horizon, far * (1 - up) + sky * up, ground * (0.82 + 0.2 * down))
    photo = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
    photo = _speckled(photo, rng)
    pen = ImageDraw.Draw(photo)
    if rng.random() < 0.6:
        _paint_road(pen, camera)
    _paint_skyline(pen, horizon, width, height, light, rng)
    return photo.filter(ImageFilter.BoxBlur(float(rng.uniform(0, 1.5))))


def _speckled(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return a picture with coarse and fine spots."""
    width, height = photo.size
    spots = np.zeros((height, width), np.float32)
    for cells, strength in ((12, 6), (60, 5), (160, 4)):
        coarse = rng.normal(0, strength, (cells, cells)).astype(np.float32)
        spots += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR))
    return Image.fromarray((np.asarray(photo, np.float32) + spots[..., None]).clip(0, 255).astype(np.uint8))


def _paint_road(pen: ImageDraw.ImageDraw, camera: Camera) -> None:
    """Paint a road along the vehicle, and the dashes of its middle line beside it."""
    x = np.linspace(-60, 60, 121)
    strips = [(-2.4, 5.6, x, (84, 84, 88)), (-2.3, -2.15, x, (222, 222, 218))]
    strips += [(2.3, 2.45, np.array([start, start + 2]), (222, 222, 218)) for start in x[::5]]
    for right, left, places, colour in strips:
        for start, end in pairwise(places):
            corners = np.array([(start, right, 0), (end, right, 0), (end, left, 0), (start, left, 0)])
            if camera.ahead(corners).min() > 1:
                pen.polygon([(float(across), float(down)) for across, down in camera.project(corners)], fill=colour)


def _paint_skyline(
    pen: ImageDraw.ImageDraw, horizon: float, width: int, height: int, light: Light, rng: np.random.Generator
) -> None:
    """Paint hills, then houses, trees and poles that stand on the horizon."""
    base = horizon + 0.02 * height
    if rng.random() < 0.5:
        tops = horizon - height * np.abs(rng.normal(0, 0.09, 9))
        line = [(width * i / 8, float(top)) for i, top in enumerate(tops)]
        pen.polygon([(0, base), *line, (width, base)], fill=_dimmed((116, 132, 128), light))
    for _ in range(int(rng.integers(0, 9))):
        left, tall = float(rng.uniform(-0.1, 1) * width), float(rng.uniform(0.08, 0.4) * height)
        kind = rng.random()
        if kind < 0.4:
            _paint_house(pen, left, base, float(rng.uniform(0.1, 0.35) * width), tall, light, rng)
        elif kind < 0.85:
            leaves = _dimmed(_LEAVES[rng.integers(len(_LEAVES))], light)
            pen.rectangle((left - 2, base - tall * 0.5, left + 2, base), fill=(74, 58, 46))
            for _ in range(5):
                x, y = left + rng.normal(0, tall * 0.2), base - tall * 0.65 + rng.normal(0, tall * 0.14)
                pen.ellipse((x - tall * 0.25, y - tall * 0.22, x + tall * 0.25, y + tall * 0.22), fill=leaves)
        else:
            pen.rectangle((left, base - tall * 1.3, left + 3, base), fill=(70, 72, 76))


def _paint_house(
    pen: ImageDraw.ImageDraw, left: float, base: float, wide: float, tall: float, light: Light, rng: np.random.Generator
) -> None:
    """Paint a house with windows."""
    pen.rectangle((left, base - tall, left + wide, base), fill=_dimmed(_WALLS[rng.integers(len(_WALLS))], light))
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(1, 5))
    for column in range(columns):
        for row in range(rows):
            x, y = left + wide * (column + 0.25) / columns, base - tall * (row + 0.8) / rows
            pen.rectangle((x, y, x + wide * 0.5 / columns, y + tall * 0.5 / rows), fill=(62, 74, 88))


def _dimmed(colour: tuple[int, int, int], light: Light) -> tuple[int, int, int]:
    """Return a colour far away in a light."""
    red, green, blue = (int(value * (0.75 + 0.4 * light.direct)) for value in colour)
    return red, green, blue
