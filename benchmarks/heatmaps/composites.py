"""Photos made of photos: animals that are small in the picture, and pictures with two animals."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SOFT = 1.2  # radius of the blur of a mask's edge, pixels
BLUR = 0.02  # radius of the background's blur, as a share of its shorter side
DETAIL = 640  # shorter side of a copy, at most; a larger photo is reduced to it when it is opened


class Cutout(NamedTuple):
    """A photo with its animal's outline.

    Attributes:
        image: the photo in RGB.
        mask: the animal, 255 inside; as large as the photo.
    """

    image: Image.Image
    mask: Image.Image


def read_cutout(data: Path, name: str) -> Cutout:
    """Read a photo and its trimap, whose outline counts as animal."""
    image = Image.open(data / "images" / f"{name}.jpg").convert("RGB")
    trimap = Image.open(data / "annotations" / "trimaps" / f"{name}.png").resize(image.size, Image.Resampling.NEAREST)
    return Cutout(image, trimap.point([255 * (value != 2) for value in range(256)]))


def background(other: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture of a size without details: a photo, enlarged and blurred."""
    small = other.resize((size[0] // 8 + 1, size[1] // 8 + 1))
    return small.filter(ImageFilter.GaussianBlur(min(small.size) * BLUR * 2.5)).resize(size, Image.Resampling.BICUBIC)


def farther(
    cutout: Cutout, other: Image.Image, times: float, *, cut: bool, generator: np.random.Generator
) -> tuple[Image.Image, float]:
    """Return a picture in which the animal is smaller, at a random place, and the animal's share of its middle square.

    Args:
        cutout: the animal's photo.
        other: photo for the background.
        times: side of the picture by side of the photo.
        cut: paste the animal alone; otherwise the whole photo.
        generator: source of the place.
    """
    scale = min(1, DETAIL / min(cutout.image.size) / times)
    width, height = (max(1, round(side * scale)) for side in cutout.image.size)
    image = cutout.image.resize((width, height), Image.Resampling.BICUBIC)
    mask = cutout.mask.resize((width, height), Image.Resampling.NEAREST)
    size = round(width * times), round(height * times)
    left, top, right, bottom = middle_square(size)
    animal = mask.getbbox() or (0, 0, width, height)
    x = _place(generator, (left - animal[0], right - animal[2]), size[0] - width)
    y = _place(generator, (top - animal[1], bottom - animal[3]), size[1] - height)
    picture = background(other, size)
    picture.paste(image, (x, y), mask.filter(ImageFilter.GaussianBlur(SOFT)) if cut else None)
    covered = Image.new("L", size)
    covered.paste(mask, (x, y))
    return picture, inside_share(covered)


def side_by_side(one: Cutout, two: Cutout, side: int = 700) -> Image.Image:
    """Return a square of two halves: the upright part of each photo around its animal, twice as high as wide."""
    picture = Image.new("RGB", (side, side))
    for place, (image, mask) in enumerate((one, two)):
        animal = mask.getbbox() or (0, 0, *image.size)
        width = min(image.width, image.height / 2)
        left = np.clip((animal[0] + animal[2] - width) / 2, 0, image.width - width)
        top = np.clip((animal[1] + animal[3]) / 2 - width, 0, image.height - 2 * width)
        half = image.resize((side // 2, side), Image.Resampling.BICUBIC, (left, top, left + width, top + 2 * width))
        picture.paste(half, (place * (side // 2), 0))
    return picture


def inside_share(mask: Image.Image) -> float:
    """Return the share of a mask's middle square that is animal.

    >>> inside_share(Image.new("L", (30, 20), 255))
    1.0
    """
    pixels: NDArray[np.uint8] = np.asarray(mask.crop(middle_square(mask.size)))
    return float(np.mean(pixels > 0))


def middle_square(size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the left, upper, right and lower edge of the middle square of a picture.

    >>> middle_square((30, 20))
    (5, 0, 25, 20)
    """
    side = min(size)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    return left, top, left + side, top + side


def _place(generator: np.random.Generator, between: tuple[float, float], most: int) -> int:
    """Return a random offset between two, from 0 to ``most``; in the middle of the two if the second is the smaller."""
    low, high = between
    offset = generator.uniform(low, high) if low < high else (low + high) / 2
    return int(np.clip(offset, 0, most))
