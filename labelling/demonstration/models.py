"""Models of vehicles in three dimensions: bodies with markings, and wheels.

Coordinates are in metres: ``x`` to the front, ``y`` to the left, ``z`` up; the ground is at 0. A body is a prism across
the vehicle: its profile has the corners ``(x, z, w)``, where ``w`` is half of the width there.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # [corner, 3]
Colour = tuple[float, float, float]  # red, green, blue, 0 to 255

GLASS: Colour = (44, 58, 72)
DARK: Colour = (32, 32, 36)
PLATE: Colour = (238, 238, 228)
HEADLIGHT: Colour = (255, 246, 214)
REAR_LIGHT: Colour = (200, 20, 26)
INDICATOR: Colour = (246, 146, 28)
LEFT, RIGHT = -1, -2  # sides of a body; its other faces have the number of their first corner


@dataclass(frozen=True)
class Face:
    """A flat polygon, seen from outside, and the polygons with their colours that are painted on it, in this order."""

    corners: Points
    colour: Colour
    markings: list[tuple[Points, Colour]]


@dataclass
class Body:
    """A convex part of a vehicle.

    Attributes:
        profile: corners ``(x, z, w)``, ``[corner, 3]``, from the rear at the bottom to the front and back at the top.
        colour: colour of its faces.
        markings: markings by face.
    """

    profile: NDArray[np.float64]
    colour: Colour
    markings: dict[int, list[tuple[Points, Colour]]] = field(default_factory=dict)

    def across(self, edge: int, spots: Sequence[tuple[float, float, float, float]], colour: Colour) -> None:
        """Paint rectangles on the face of an edge.

        Args:
            edge: number of the edge's first corner.
            spots: for each rectangle, the right and left end across, -1 to 1, and the start and end along the edge.
            colour: colour of the rectangles.
        """
        start, end = self.profile[edge], self.profile[(edge + 1) % len(self.profile)]
        for right, left, low, high in spots:
            corners = []
            for place, share in ((right, low), (left, low), (left, high), (right, high)):
                x, z, w = start * (1 - share) + end * share
                corners.append((x, place * w, z))
            self.markings.setdefault(edge, []).append((np.array(corners), colour))

    def along(self, polygons: Sequence[Sequence[tuple[float, float]]], colour: Colour, sides: str = "lr") -> None:
        """Paint polygons of ``(x, z)`` on the sides, at the width that the body has at each height."""
        heights, widths = self.profile[:, 1], self.profile[:, 2]
        order = np.argsort(heights)
        for polygon in polygons:
            x, z = np.array(polygon).T
            w = np.interp(z, heights[order], widths[order])
            for side, sign in ((LEFT, 1), (RIGHT, -1)):
                if "lr"[side == RIGHT] in sides:
                    points = np.stack([x, sign * w, z], axis=1)
                    self.markings.setdefault(side, []).append((points, colour))

    def faces(self) -> list[Face]:
        """Return the faces: both sides, then one for each edge. Corners run anticlockwise as seen from outside."""
        x, z, w = self.profile.T
        left, right = np.stack([x, w, z], axis=1), np.stack([x, -w, z], axis=1)
        polygons = {LEFT: left, RIGHT: right}
        for edge in range(len(x)):
            following = (edge + 1) % len(x)
            polygons[edge] = np.array([left[edge], left[following], right[following], right[edge]])
        middle = np.concatenate([left, right]).mean(axis=0)
        faces = []
        for number, corners in polygons.items():
            outward = corners if normal(corners) @ (corners.mean(axis=0) - middle) > 0 else corners[::-1]
            faces.append(Face(outward, self.colour, self.markings.get(number, [])))
        return faces


@dataclass(frozen=True)
class Wheel:
    """A wheel, by the middle of its outer side; ``side`` is 1 on the left and -1 on the right."""

    centre: tuple[float, float, float]
    radius: float
    side: int


@dataclass(frozen=True)
class Model:
    """A vehicle.

    Attributes:
        stacks: bodies that stand behind one another; in each stack, a body lies on the one before.
        wheels: wheels.
    """

    stacks: list[list[Body]]
    wheels: list[Wheel]

    def corners(self) -> Points:
        """Return the corners of all bodies."""
        return np.concatenate([face.corners for stack in self.stacks for body in stack for face in body.faces()])


def normal(corners: Points) -> NDArray[np.float64]:
    """Return the direction, of length 1, from which the corners run anticlockwise."""
    points = corners.tolist()  # Newell's sum; with floats of Python, because numpy takes ten times as long for few
    x = y = z = 0.0
    for (x1, y1, z1), (x2, y2, z2) in zip(points, [*points[1:], points[0]], strict=True):
        x += (y1 - y2) * (z1 + z2)
        y += (z1 - z2) * (x1 + x2)
        z += (x1 - x2) * (y1 + y2)
    return np.array([x, y, z]) / math.hypot(x, y, z)


def _body(colour: Colour, *profile: tuple[float, float, float]) -> Body:
    return Body(np.array(profile), colour)


def _wheels(width: float, radius: float, *places: float) -> list[Wheel]:
    return [Wheel((x, side * width, radius), radius, side) for x in places for side in (1, -1)]


def _mirrored(*spots: tuple[float, float, float, float]) -> list[tuple[float, float, float, float]]:
    """Return rectangles on the left with their mirror images on the right."""
    return [*spots, *((-left, -right, low, high) for right, left, low, high in spots)]


def _box(x: float, z: float, length: float, height: float) -> list[tuple[float, float]]:
    return [(x, z), (x + length, z), (x + length, z + height), (x, z + height)]


def _tinted(colour: Colour, share: float, other: Colour = (245, 245, 245)) -> Colour:
    red, green, blue = (one * (1 - share) + two * share for one, two in zip(colour, other, strict=True))
    return red, green, blue


def _nose(body: Body, front: int, rear: int) -> None:
    """Paint grille, lights, plates and bumpers on the faces of two edges at the front and at the rear."""
    body.across(front, [(-1, 1, 0, 0.2)], DARK)
    body.across(front, [(-0.5, 0.5, 0.5, 0.88)], DARK)
    body.across(front, _mirrored((0.56, 0.95, 0.55, 0.98)), HEADLIGHT)
    body.across(front, _mirrored((0.8, 0.97, 0.3, 0.42)), INDICATOR)
    body.across(front, [(-0.22, 0.22, 0.2, 0.4)], PLATE)
    body.across(rear, [(-1, 1, 0.82, 1)], DARK)
    body.across(rear, _mirrored((0.66, 0.97, 0.08, 0.42)), REAR_LIGHT)
    body.across(rear, [(-0.24, 0.24, 0.42, 0.64)], PLATE)


def _car(colour: Colour, rng: np.random.Generator) -> Model:
    """Return a saloon or a hatchback."""
    hatch = rng.random() < 0.5
    lower = _body(
        colour,
        *((-2.1, 0.28, 0.82), (2.1, 0.28, 0.82), (2.14, 0.66, 0.85), (1.95, 0.78, 0.84)),
        *((0.95, 0.93, 0.86), (-1.8, 0.97, 0.86), (-2.14, 0.86, 0.84)),
    )
    _nose(lower, 1, 6)
    lower.along([_box(-2.1, 0.28, 4.2, 0.1)], DARK)
    lower.along([[(1.72, 0.62), (2.12, 0.58), (2.1, 0.72), (1.8, 0.76)]], HEADLIGHT)
    lower.along([_box(-2.12, 0.66, 0.3, 0.18)], REAR_LIGHT)
    lower.along([_box(x, 0.4, 0.02, 0.5) for x in (-0.4, 0.7)], _tinted(colour, 0.5, DARK))
    lower.along([_box(x, 0.8, 0.18, 0.04) for x in (-0.3, -1.15)], DARK)
    roof_end, base_end = (-1.45, -1.95) if hatch else (-0.85, -1.55)
    cabin = _body(colour, (base_end, 0.95, 0.8), (1.0, 0.92, 0.8), (0.2, 1.45, 0.62), (roof_end, 1.47, 0.62))
    for edge in (1, 3):
        cabin.across(edge, [(-0.92, 0.92, 0.1, 0.9)], GLASS)
    cabin.along([[(-0.3, 1.0), (0.78, 1.0), (0.16, 1.38), (-0.3, 1.38)]], GLASS)
    cabin.along([[(base_end + 0.2, 1.0), (-0.4, 1.0), (-0.4, 1.38), (roof_end + 0.02, 1.38)]], GLASS)
    return Model([[lower, cabin]], _wheels(0.86, 0.34, 1.32, -1.3))


def _van(colour: Colour, rng: np.random.Generator) -> Model:
    """Return a delivery van, with a mark on its sides."""
    body = _body(
        colour,
        *((-2.5, 0.3, 0.92), (2.45, 0.3, 0.92), (2.5, 0.9, 0.95), (2.05, 1.1, 0.95)),
        *((1.45, 2.0, 0.86), (-2.42, 2.08, 0.86), (-2.5, 1.0, 0.95)),
    )
    _nose(body, 1, 6)
    body.across(3, [(-0.93, 0.93, 0.08, 0.92)], GLASS)
    body.across(5, [(-0.86, -0.08, 0.15, 0.6), (0.08, 0.86, 0.15, 0.6)], GLASS)
    body.along([_box(-2.5, 0.3, 4.95, 0.12)], DARK)
    body.along([[(0.62, 1.2), (1.86, 1.2), (1.4, 1.82), (0.62, 1.82)]], GLASS)
    body.along([_box(x, 0.45, 0.03, 1.5) for x in (-0.75, 0.5)], _tinted(colour, 0.5, DARK))
    body.along([[(2.0, 0.74), (2.46, 0.7), (2.46, 0.88), (2.1, 0.92)]], HEADLIGHT)
    body.along([_box(-2.48, 0.9, 0.18, 0.45)], REAR_LIGHT)
    mark: Colour = tuple(rng.uniform(30, 240, 3).tolist())
    body.along([_box(-2.1, 1.15, 1.2, 0.4)], mark)
    return Model([[body]], _wheels(0.95, 0.37, 1.6, -1.55))


def _pickup(colour: Colour, _rng: np.random.Generator) -> Model:
    """Return a pickup."""
    lower = _body(
        colour,
        *((-2.7, 0.42, 0.88), (2.5, 0.42, 0.88), (2.55, 0.88, 0.92), (2.35, 1.04, 0.9)),
        *((1.2, 1.14, 0.92), (-2.66, 1.14, 0.92)),
    )
    _nose(lower, 1, 5)
    lower.across(4, [(-0.86, 0.86, 0.48, 0.96)], DARK)
    lower.along([_box(-2.7, 0.42, 5.2, 0.12)], DARK)
    lower.along([[(2.05, 0.86), (2.52, 0.82), (2.46, 0.98), (2.15, 1.0)]], HEADLIGHT)
    lower.along([_box(-2.7, 0.78, 0.22, 0.3)], REAR_LIGHT)
    lower.along([_box(x, 0.56, 0.03, 0.55) for x in (-0.62, 0.95)], _tinted(colour, 0.5, DARK))
    cabin = _body(colour, (-0.65, 1.12, 0.86), (1.25, 1.12, 0.86), (0.55, 1.74, 0.68), (-0.5, 1.76, 0.68))
    for edge in (1, 3):
        cabin.across(edge, [(-0.9, 0.9, 0.12, 0.88)], GLASS)
    cabin.along([[(-0.5, 1.2), (1.0, 1.2), (0.5, 1.66), (-0.42, 1.66)]], GLASS)
    return Model([[lower, cabin]], _wheels(0.92, 0.42, 1.62, -1.6))


def _bus(colour: Colour, _rng: np.random.Generator) -> Model:
    """Return a bus, with its doors on the right."""
    body = _body(
        colour,
        *((-4.1, 0.38, 1.18), (4.1, 0.38, 1.18), (4.2, 1.2, 1.22), (4.05, 2.85, 1.15)),
        *((-4.05, 2.9, 1.15), (-4.15, 1.2, 1.22)),
    )
    body.across(1, [(-1, 1, 0, 0.2)], DARK)
    body.across(1, _mirrored((0.6, 0.92, 0.5, 0.78)), HEADLIGHT)
    body.across(1, [(-0.24, 0.24, 0.25, 0.45)], PLATE)
    body.across(2, [(-0.94, 0.94, 0.04, 0.72)], GLASS)
    body.across(2, [(-0.7, 0.7, 0.78, 0.94)], DARK)
    body.across(2, [(-0.55, 0.3, 0.82, 0.9)], INDICATOR)
    body.across(4, [(-0.75, 0.75, 0.12, 0.5)], GLASS)
    body.across(5, _mirrored((0.74, 0.95, 0.1, 0.6)), REAR_LIGHT)
    body.across(5, [(-0.6, 0.6, 0.2, 0.55)], DARK)
    body.across(5, [(-0.2, 0.2, 0.65, 0.85)], PLATE)
    body.along([_box(-4.1, 0.38, 8.2, 0.14)], DARK)
    body.along([_box(-4.1, 0.95, 8.2, 0.2)], _tinted(colour, 0.75))
    body.along([_box(x, 1.5, 1.05, 0.95) for x in np.arange(-3.8, 2.4, 1.18)], GLASS)
    body.along([_box(3.3, 1.4, 0.75, 1.05)], GLASS, "l")
    body.along([_box(3.05, 0.55, 0.42, 1.9), _box(3.53, 0.55, 0.42, 1.9), _box(-0.4, 0.55, 0.9, 1.9)], GLASS, "r")
    return Model([[body]], _wheels(1.22, 0.5, 2.5, -2.4))


def _truck(colour: Colour, rng: np.random.Generator) -> Model:
    """Return a truck: a cab, and a box that is lighter."""
    chassis = _body(DARK, (-3.5, 0.5, 0.8), (3.0, 0.5, 0.8), (3.0, 0.85, 0.8), (-3.5, 0.85, 0.8))
    cab = _body(colour, (1.7, 0.5, 1.08), (3.4, 0.5, 1.08), (3.5, 1.35, 1.12), (3.2, 2.45, 1.04), (1.75, 2.5, 1.04))
    cab.across(1, [(-1, 1, 0, 0.22)], DARK)
    cab.across(1, [(-0.5, 0.5, 0.5, 0.92)], DARK)
    cab.across(1, _mirrored((0.58, 0.94, 0.3, 0.6)), HEADLIGHT)
    cab.across(1, [(-0.22, 0.22, 0.24, 0.42)], PLATE)
    cab.across(2, [(-0.92, 0.92, 0.08, 0.85)], GLASS)
    cab.along([[(2.2, 1.45), (3.4, 1.45), (3.2, 2.2), (2.2, 2.2)]], GLASS)
    cab.along([_box(2.08, 0.7, 0.03, 1.6)], _tinted(colour, 0.5, DARK))
    cab.along([_box(3.2, 0.75, 0.22, 0.25)], INDICATOR)
    load = _tinted(colour, rng.uniform(0.45, 0.75))
    box = _body(load, (-3.6, 0.85, 1.15), (1.55, 0.85, 1.15), (1.55, 2.95, 1.15), (-3.6, 2.95, 1.15))
    box.across(3, [(-0.02, 0.02, 0, 1), (-0.7, -0.66, 0.1, 0.9), (0.66, 0.7, 0.1, 0.9)], _tinted(load, 0.6, DARK))
    box.across(3, _mirrored((0.72, 0.96, 0.88, 0.98)), REAR_LIGHT)
    box.across(3, [(-0.2, 0.2, 0.88, 0.97)], PLATE)
    box.along([_box(x, 0.9, 0.03, 2.0) for x in np.arange(-2.8, 1.2, 0.8)], _tinted(load, 0.12, DARK))
    return Model([[chassis], [box], [cab]], _wheels(1.1, 0.5, 2.5, -1.5, -2.6))


MODELS: Mapping[str, Callable[[Colour, np.random.Generator], Model]] = {
    "car": _car,
    "van": _van,
    "pickup": _pickup,
    "bus": _bus,
    "truck": _truck,
}
