"""Augmentation as in fastai v1's ``get_transforms``, with all geometry in one resampling.

Flip, symmetric warp, zoom, rotation and crop are composed into one homography. The photo is resampled once, so that it
is blurred once and not five times. Brightness and contrast depend on a pixel's value alone. Together with the
normalisation they are a table of 256 entries.

As in fastai v1, brightness and contrast come before the resampling, and the photo is mirrored beyond its edge. ``draw``
draws all random numbers beforehand from torch's global generator; ``augment`` is a pure function.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample

from training.pets.options import Strength

T = TypeVar("T")

_HORIZON = 0.1  # least depth, with 1 in the middle: a warp of 0.4 can tilt a corner beyond the horizon
_ERASE_AREA, _ERASE_RATIO = (0.02, 1 / 3), (0.3, 10 / 3)  # share of the crop, height by width: torchvision's defaults
_UNIFORMS = 23  # largest number of uniform random numbers in one draw


@dataclass(frozen=True)
class Strengths:
    """Largest strength of each transform. Strengths are drawn uniformly, contrast on a log scale.

    Attributes:
        flip: probability of a horizontal flip.
        rotate: largest rotation to either side, degrees.
        zoom: largest zoom factor, from 1; the place to zoom in on is drawn too.
        warp: largest change of each side's length, as a share of half the side, as if the camera moved.
        lighting: strength of brightness and contrast, both applied to the logits of the values. Brightness turns the
            middle value into ``0.5 * (1 -+ lighting)``. The contrast factor is between ``1 - lighting`` and
            ``1 / (1 - lighting)``.
        p_affine: probability of rotation, of zoom and of warp.
        p_lighting: probability of brightness and of contrast.
        crop: crop anywhere; otherwise crop the middle, as in evaluation.
        erase: probability that a rectangle is erased, which the fast.ai lesson does not do.

    Raises:
        ValueError: if a strength is out of its range; the message names it.
    """

    flip: float = 0.5
    rotate: float = 10.0
    zoom: float = 1.1
    warp: float = 0.2
    lighting: float = 0.2
    p_affine: float = 0.75
    p_lighting: float = 0.75
    crop: bool = True
    erase: float = 0.0

    def __post_init__(self) -> None:
        highest = {"rotate": 180.0, "zoom": 10.0, "warp": 0.5, "lighting": 0.99}
        for field in fields(self):
            low, high = float(field.name == "zoom"), highest.get(field.name, 1.0)
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ValueError(f"{field.name} is {value}; it must lie between {low:g} and {high:g}")

    @property
    def moves(self) -> bool:
        """True if a photo may differ from evaluation's middle crop by more than a flip."""
        return self.crop or (self.p_affine > 0 and (self.rotate > 0 or self.zoom > 1 or self.warp > 0))


DEFAULT = Strengths()
"""Defaults of fastai v1."""
LESSON = Strengths(rotate=20.0, zoom=1.3, warp=0.4, lighting=0.4, p_affine=1.0, p_lighting=1.0)
"""Strengths of the fast.ai lesson, which are high "to really understand data augmentation"."""
NONE = Strengths(flip=0.0, rotate=0.0, zoom=1.0, warp=0.0, lighting=0.0, crop=False)
"""Input of evaluation: the same in every epoch."""
FLIP = Strengths(rotate=0.0, zoom=1.0, warp=0.0, lighting=0.0, crop=False)
"""Input of evaluation, or its mirror image."""
PRESETS: Mapping[Strength, Strengths] = {"none": NONE, "flip": FLIP, "default": DEFAULT, "lesson": LESSON}


class Draw(NamedTuple):
    """Transforms of one photo. The defaults change nothing.

    Attributes:
        flip: swap left and right.
        warp: added length of the right, left, lower and upper side, as a share of half the side.
        degrees: angle of rotation, degrees counter-clockwise.
        zoom: zoom factor.
        zoom_at: row and column to zoom in on; 0 is the upper or left edge, 1 the lower or right one.
        crop_at: row and column of the crop, in the same units.
        brightness: new value of the middle value 0.5.
        contrast: factor on the logits.
        erase: top, left, height and width of a rectangle that becomes the mean colour, as shares of the crop.
    """

    flip: bool = False
    warp: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    degrees: float = 0.0
    zoom: float = 1.0
    zoom_at: tuple[float, float] = (0.5, 0.5)
    crop_at: tuple[float, float] = (0.5, 0.5)
    brightness: float = 0.5
    contrast: float = 1.0
    erase: tuple[float, float, float, float] | None = None


def draw(strengths: Strengths, n: int) -> list[Draw]:
    """Draw the transforms of ``n`` photos from torch's global generator."""
    return [_drawn(strengths, row) for row in torch.rand(n, _UNIFORMS, dtype=torch.float64).tolist()]


def _drawn(s: Strengths, uniforms: Sequence[float]) -> Draw:
    """Return the transforms that uniform random numbers stand for."""
    take = iter(uniforms).__next__

    def between(low: float, high: float) -> float:
        return low + (high - low) * take()

    def perhaps(p: float, value: T, neutral: T) -> T:
        return value if take() < p else neutral

    none = Draw()
    contrast = -math.log(1 - s.lighting)
    return Draw(
        flip=take() < s.flip,
        warp=perhaps(s.p_affine, tuple(between(-s.warp, s.warp) for _ in none.warp), none.warp),
        degrees=perhaps(s.p_affine, between(-s.rotate, s.rotate), none.degrees),
        zoom=perhaps(s.p_affine, between(1, s.zoom), none.zoom),
        zoom_at=(take(), take()),
        brightness=perhaps(s.p_lighting, between(0.5 * (1 - s.lighting), 0.5 * (1 + s.lighting)), none.brightness),
        contrast=perhaps(s.p_lighting, math.exp(between(-contrast, contrast)), none.contrast),
        crop_at=(take(), take()) if s.crop else none.crop_at,
        erase=perhaps(s.erase, _rectangle(take(), take(), take(), take()), None),
    )


def _rectangle(area: float, ratio: float, row: float, column: float) -> tuple[float, float, float, float]:
    """Return a rectangle to erase, from four numbers between 0 and 1."""
    area = _ERASE_AREA[0] + (_ERASE_AREA[1] - _ERASE_AREA[0]) * area
    ratio = _ERASE_RATIO[0] * (_ERASE_RATIO[1] / _ERASE_RATIO[0]) ** ratio
    height, width = min(math.sqrt(area * ratio), 1), min(math.sqrt(area / ratio), 1)
    return (1 - height) * row, (1 - width) * column, height, width


def augment(
    photo: NDArray[np.uint8] | Tensor,
    draw: Draw,
    *,
    size: int,
    shorter: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """Return the network's input for a transformed photo.

    Args:
        photo: whole photo, ``[3, height, width]``; a tensor is transformed on its device. It should be a little larger
            than ``shorter``, so that a zoom does not enlarge it, but not much larger, because the resampling reads only
            four pixels.
        draw: transforms to apply.
        size: side of the crop, pixels.
        shorter: length of the photo's shorter side at the crop, pixels; at least ``size``.
        mean: mean of each channel, 0 to 1, for the normalisation.
        std: standard deviation of each channel, for the normalisation.

    Returns:
        Normalised crop, ``[3, size, size]``, float32, on the photo's device.

    Raises:
        ValueError: if ``shorter`` is less than ``size``.
    """
    if shorter < size:
        raise ValueError(f"a crop of {size} pixels can't be taken from a photo whose shorter side is {shorter}")
    height, width = photo.shape[1:]
    scale = shorter / min(height, width)
    matrix = homography(draw, size, height * scale, width * scale)
    tables = ((lighting(draw) - np.array(mean)[:, None]) / np.array(std)[:, None]).astype(np.float32)
    if isinstance(photo, Tensor):
        lit = torch.from_numpy(tables).to(photo.device).gather(1, photo.flatten(1).long()).view(photo.shape)
        grid = _grid(torch.from_numpy(matrix).to(photo.device), size)
    else:
        looked_up = np.empty(photo.shape, np.float32)
        for i in range(3):  # mode clip, because the default checks the indices and copies the output
            np.take(tables[i], photo[i], out=looked_up[i], mode="clip")
        lit, grid = torch.from_numpy(looked_up), _grid(torch.from_numpy(matrix), size)
    sampled = grid_sample(lit[None], grid[None], padding_mode="reflection", align_corners=False)[0]
    if draw.erase is not None:
        top, left, tall, wide = (round(share * size) for share in draw.erase)
        sampled[:, top : top + tall, left : left + wide] = 0
    return sampled


def lighting(draw: Draw) -> NDArray[np.float64]:
    """Return the values 0 to 255 after brightness and contrast: ``[256]``, 0 to 1.

    ``sigmoid((logit(value) + logit(brightness)) * contrast)``, as in fastai.
    """
    value = np.arange(256) / 255
    if (draw.brightness, draw.contrast) == (0.5, 1.0):
        return value
    logit = _logit(value.clip(1e-7, 1 - 1e-7)) + _logit(np.float64(draw.brightness))
    return np.asarray(1 / (1 + np.exp(-draw.contrast * logit)))


def _logit(p: NDArray[np.float64] | np.float64) -> NDArray[np.float64]:
    return np.asarray(np.log(p / (1 - p)))


def homography(draw: Draw, size: int, height: float, width: float) -> NDArray[np.float64]:
    """Return the homography from a pixel of the crop to its place in the photo.

    Args:
        draw: transforms to apply.
        size: side of the crop, pixels.
        height: height of the whole photo at the crop, pixels.
        width: width of the whole photo at the crop, pixels.

    Returns:
        Matrix ``[3, 3]`` from (column, row, 1) of the crop, in pixels, to (x, y, 1) of the whole photo, -1 to 1 from
        edge to edge. As in fastai v1 it transforms the whole photo: warp, then zoom, then rotation.
    """
    top, left = (height - size) * draw.crop_at[0], (width - size) * draw.crop_at[1]
    crop = [[2 / width, 0, (2 * left + 1) / width - 1], [0, 2 / height, (2 * top + 1) / height - 1], [0, 0, 1]]
    flip = np.diag([-1 if draw.flip else 1, 1, 1])
    away = 1 - 1 / draw.zoom
    row, column = (away * (2 * at - 1) for at in draw.zoom_at)
    zoom = [[1 / draw.zoom, 0, column], [0, 1 / draw.zoom, row], [0, 0, 1]]
    cos, sin = math.cos(math.radians(draw.degrees)), math.sin(math.radians(draw.degrees))
    rotation = [[cos, -sin * height / width, 0], [sin * width / height, cos, 0], [0, 0, 1]]
    return np.asarray(rotation @ np.asarray(zoom) @ _warp(draw.warp) @ flip @ crop)


def _warp(magnitudes: Sequence[float]) -> NDArray[np.float64]:
    """Return the homography that moves the photo's corners so that its sides get their new lengths: ``[3, 3]``."""
    if not any(magnitudes):
        return np.eye(3)
    right, left, lower, upper = magnitudes
    corners = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    moved = [(-1 - upper, -1 - left), (-1 - lower, 1 + left), (1 + upper, -1 - right), (1 + lower, 1 + right)]
    rows = []
    for (x, y), (to_x, to_y) in zip(corners, moved, strict=True):
        rows.append([to_x, to_y, 1, 0, 0, 0, -x * to_x, -x * to_y])
        rows.append([0, 0, 0, to_x, to_y, 1, -y * to_x, -y * to_y])
    return np.append(np.linalg.solve(rows, np.ravel(corners)), 1).reshape(3, 3)


def _grid(matrix: Tensor, size: int) -> Tensor:
    """Return the place to which ``matrix`` sends each pixel: ``[row, column, (x, y)]``, on the matrix's device."""
    at = torch.arange(size, dtype=matrix.dtype, device=matrix.device)
    x, y, depth = ((line[0] * at).float() + (line[1] * at + line[2]).float()[:, None] for line in matrix)
    depth.clamp_(min=_HORIZON)
    return torch.stack((x / depth, y / depth), -1)
