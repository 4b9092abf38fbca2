"""Shifted copies: photos as other cameras, scenes and apps would give them.

A model that is judged on photos like its training photos looks better than it will be on a stranger's phone. Shifted
copies of the judged photos show part of the difference: low resolution, close crops, blur, noise, compression, light,
colour, grey, other backgrounds and aspect ratios, distant subjects and tilt. `phone` is a mix for training. `SHIFTS`
are for calibration and evaluation, so it is none of them.

The strengths are those of bad but recognisable photos: a person still recognises the breed in most of them.
"""

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

Picture = Image.Image
Shift = Callable[[Picture, Generator], Picture]

_SIDE = 400  # longest side of a photo before noise and compression, pixels, so that their strength means the same


def small(photo: Picture, rng: Generator) -> Picture:
    """Reduce the shorter side to 64 to 128 pixels."""
    scale = rng.uniform(64, 128) / min(photo.size)
    return photo if scale >= 1 else photo.resize(_scaled(photo, scale, scale), Image.Resampling.BICUBIC)


def close(photo: Picture, rng: Generator) -> Picture:
    """Crop a rectangle with 55 to 75 % of each side, anywhere."""
    return _cropped(photo, rng, rng.uniform(0.55, 0.75))


def blurred(photo: Picture, rng: Generator) -> Picture:
    """Blur with a radius of 0.6 to 1.4 % of the shorter side, as out of focus."""
    return photo.filter(ImageFilter.GaussianBlur(min(photo.size) * rng.uniform(0.006, 0.014)))


def moved(photo: Picture, rng: Generator) -> Picture:
    """Blur along a line of 1.5 to 3.5 % of the shorter side, as by a moving camera."""
    length, angle = min(photo.size) * rng.uniform(0.015, 0.035), rng.uniform(0, np.pi)
    pixels = np.asarray(photo, np.float32)
    offsets = np.linspace(-length / 2, length / 2, 9)
    shifted = [np.roll(pixels, (round(at * np.sin(angle)), round(at * np.cos(angle))), (0, 1)) for at in offsets]
    return _picture(np.mean(shifted, axis=0))


def noisy(photo: Picture, rng: Generator) -> Picture:
    """Add Gaussian noise with a standard deviation of 15 to 35 of 255, as in the dark."""
    pixels = np.asarray(_contained(photo), np.float32)
    return _picture(pixels + rng.normal(0, rng.uniform(15, 35), pixels.shape))


def compressed(photo: Picture, rng: Generator) -> Picture:
    """Compress as JPEG of quality 6 to 15."""
    return _jpeg(_contained(photo), int(rng.integers(6, 16)))


def lit(photo: Picture, rng: Generator) -> Picture:
    """Brighten or darken by a gamma of 0.35 to 0.55 or 1.8 to 2.8."""
    return _gamma(photo, rng.choice([rng.uniform(0.35, 0.55), rng.uniform(1.8, 2.8)]))


def coloured(photo: Picture, rng: Generator) -> Picture:
    """Scale the saturation by 0.3 to 1.8 and each channel by 0.7 to 1.3, as by a wrong white balance."""
    saturated = ImageEnhance.Color(photo).enhance(rng.uniform(0.3, 1.8))
    return _picture(np.asarray(saturated, np.float32) * rng.uniform(0.7, 1.3, 3))


def grey(photo: Picture, rng: Generator) -> Picture:
    """Remove the colours."""
    return photo.convert("L").convert("RGB")


def squeezed(photo: Picture, rng: Generator) -> Picture:
    """Change the width to 60 to 75 % or 135 to 165 %, as by a wrong aspect ratio."""
    ratio = rng.choice([rng.uniform(0.6, 0.75), rng.uniform(1.35, 1.65)])
    return photo.resize(_scaled(photo, ratio, 1), Image.Resampling.BICUBIC)


def far(photo: Picture, rng: Generator) -> Picture:
    """Put the photo on a background of random smooth colours that is 1.6 to 2.4 times as wide and high."""
    ratio = rng.uniform(1.6, 2.4)
    canvas = _smooth_colours(rng, _scaled(photo, ratio, ratio))
    at = (round((total - side) * rng.uniform(0.2, 0.8)) for total, side in zip(canvas.size, photo.size, strict=True))
    left, top = at
    canvas.paste(photo, (left, top))
    return canvas


def tilted(photo: Picture, rng: Generator) -> Picture:
    """Rotate by 15 to 35 degrees to either side, with one colour in the corners."""
    colour = (int(rng.integers(256)), int(rng.integers(256)), int(rng.integers(256)))
    return photo.rotate(rng.choice([-1, 1]) * rng.uniform(15, 35), Image.Resampling.BICUBIC, fillcolor=colour)


def phone(photo: Picture, rng: Generator) -> Picture:
    """Apply a little of all: crop, rotation, gamma, blur, colour, noise and JPEG of quality 20 to 50."""
    photo = _cropped(photo, rng, rng.uniform(0.75, 0.95))
    photo = _gamma(photo.rotate(rng.uniform(-10, 10), Image.Resampling.BICUBIC), rng.uniform(0.6, 1.7))
    photo = _contained(photo).filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5)))
    pixels = np.asarray(ImageEnhance.Color(photo).enhance(rng.uniform(0.6, 1.4)), np.float32)
    noise = rng.normal(0, 8, pixels.shape)
    return _jpeg(_picture(pixels * rng.uniform(0.85, 1.15, 3) + noise), int(rng.integers(20, 51)))


SHIFTS: Mapping[str, Shift] = {
    shift.__name__: shift
    for shift in (
        small, close, blurred, moved, noisy, compressed, lit, coloured, grey, squeezed, far, tilted
    )
}  # fmt: skip


def in_front(photo: Picture, rng: Generator, mask: Picture) -> Picture:
    """Replace the background by random smooth colours.

    It is no part of ``SHIFTS``, because few data sets have masks.

    Args:
        photo: photo to change.
        rng: random generator.
        mask: grey picture of the photo's size; 255 on the animal, 0 elsewhere.
    """
    background = _smooth_colours(rng, photo.size)
    return Image.composite(photo, background, mask.filter(ImageFilter.GaussianBlur(1.5)))


def random_shift(photo: Picture, rng: Generator) -> Picture:
    """Return a copy with one of ``SHIFTS``, drawn at random."""
    return list(SHIFTS.values())[rng.integers(len(SHIFTS))](photo, rng)


def _scaled(photo: Picture, horizontal: float, vertical: float) -> tuple[int, int]:
    return max(round(photo.width * horizontal), 1), max(round(photo.height * vertical), 1)


def _contained(photo: Picture) -> Picture:
    """Reduce the longer side to ``_SIDE`` pixels if it is larger."""
    scale = min(_SIDE / max(photo.size), 1.0)
    return photo.resize(_scaled(photo, scale, scale), Image.Resampling.BICUBIC)


def _cropped(photo: Picture, rng: Generator, share: float) -> Picture:
    width, height = _scaled(photo, share, share)
    left, top = int(rng.integers(photo.width - width + 1)), int(rng.integers(photo.height - height + 1))
    return photo.crop((left, top, left + width, top + height))


def _gamma(photo: Picture, gamma: float) -> Picture:
    return photo.point([round(255 * (value / 255) ** gamma) for value in range(256)] * 3)


def _smooth_colours(rng: Generator, size: tuple[int, int]) -> Picture:
    """Return a picture of 4 by 4 random colours that blend into each other."""
    colours = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return colours.resize(size, Image.Resampling.BICUBIC)


def _jpeg(photo: Picture, quality: int) -> Picture:
    content = io.BytesIO()
    photo.save(content, "JPEG", quality=quality)
    return Image.open(content).convert("RGB")


def _picture(pixels: NDArray[np.floating]) -> Picture:
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
