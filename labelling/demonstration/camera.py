"""Pinhole camera that looks at a vehicle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEAR = 0.1  # metres before the camera, in which nothing is drawn


@dataclass(frozen=True)
class Camera:
    """A camera, by its position and axes in metres, and its picture in pixels.

    Attributes:
        position: its position.
        axes: directions to the right, up and forward, ``[3, 3]``.
        focal: focal length, pixels.
        centre: place of the forward direction in the picture, pixels.
        size: width and height of the picture, pixels.
    """

    position: NDArray[np.float64]
    axes: NDArray[np.float64]
    focal: float
    centre: NDArray[np.float64]
    size: tuple[int, int]

    @classmethod
    def facing(
        cls,
        corners: NDArray[np.float64],
        *,
        angle: float,
        elevation: float,
        distance: float,
        size: tuple[int, int],
        within: float,
        place: tuple[float, float],
    ) -> "Camera":
        """Return a camera that sees a vehicle at an angle.

        Args:
            corners: corners of the vehicle, ``[corner, 3]``.
            angle: direction that the vehicle points in as seen in the picture, degrees; 0 is to the viewer.
            elevation: height of the camera above the vehicle's middle, degrees.
            distance: distance from the vehicle's middle, in lengths of the vehicle.
            size: width and height of the picture, pixels.
            within: longer side of the vehicle in the picture, pixels.
            place: place of the vehicle in the free part of the middle square, -1 to 1: to the right, and down.
        """
        azimuth, above = np.radians(-angle), np.radians(elevation)
        away = np.array([np.cos(azimuth) * np.cos(above), np.sin(azimuth) * np.cos(above), np.sin(above)])
        middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
        position = middle + away * distance * np.ptp(corners[:, 0])
        right = np.cross(-away, (0, 0, 1))
        right /= np.linalg.norm(right)
        axes = np.array([right, np.cross(right, -away), -away])
        unit = cls(position, axes, 1.0, np.zeros(2), size)
        seen = unit.project(corners)
        low, high = seen.min(axis=0), seen.max(axis=0)
        focal = within / (high - low).max()
        free = (min(size) - focal * (high - low)) / 2
        target = np.array(size) / 2 + free * place
        return cls(position, axes, focal, target - focal * (low + high) / 2, size)

    def enlarged(self, factor: int) -> "Camera":
        """Return the camera of the same picture in more pixels."""
        width, height = self.size
        size = (width * factor, height * factor)
        return Camera(self.position, self.axes, self.focal * factor, self.centre * factor, size)

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the places of points in the picture, ``[point, 2]``; points behind the camera are drawn far away."""
        across, up, ahead = self.axes @ (points - self.position).T
        scale = self.focal / np.maximum(ahead, _NEAR)
        return np.asarray((np.array([across, -up]) * scale).T + self.centre)

    def ahead(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how far points are before the camera, metres."""
        return np.asarray((points - self.position) @ self.axes[2])

    @property
    def horizon(self) -> float:
        """Return the row of the horizon, pixels from the top."""
        far = self.axes[2] * (1, 1, 0)
        return float(self.centre[1] - self.focal * (far @ self.axes[1]) / (far @ self.axes[2]))
