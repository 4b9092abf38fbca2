"""Photos: decode a file and crop the network's input, for evaluation, offline use and serving alike.

The input is the middle of the photo: the shorter side is resized to ``size / crop_pct`` pixels, then the central square
of ``size`` pixels is cut out. Colour profiles are not applied, because the networks were trained without them.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from pets.image_files import MAX_PIXELS, check_size, damaged, extract, max_pixels_of, too_large
from schemas.problems import Problem, ProblemError

KEEP = 640  # pixels of a reduced photo's shorter side; why: twice the input of the largest network

_STRIP_PIXELS = 1 << 20

_UPRIGHT = {  # operation that turns the stored picture upright, by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Box(NamedTuple):
    """Part of a photo, in pixels (possibly fractional) from the upper left corner of the upright original."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: the upright photo in RGB. If the original's shorter side has 2 * ``keep`` pixels or more, the photo is
            reduced to ``keep`` pixels on that side.
        width: width of the upright original, in pixels.
        height: height of the upright original, in pixels.
        format: format found in the bytes: JPEG, PNG, WEBP, GIF, BMP or TIFF.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def open_photo(content: bytes | bytearray, max_pixels: int = MAX_PIXELS, *, keep: int = KEEP) -> Photo:
    """Decode a photo, or the first frame of an animation.

    Args:
        content: a JPEG, PNG, WebP, GIF, BMP or TIFF file. The bytes alone decide its format.
        max_pixels: number of pixels that may be decoded. Decoding takes up to 8 bytes of memory for each. A JPEG that
            can be decoded at half its size may have twice as many pixels, and a WebP half as many.
        keep: pixels of a reduced photo's shorter side.

    Raises:
        ProblemError: malformed-request if there are no bytes; not-an-image for another format; damaged-image if the
            picture can't be decoded to its end; image-too-large if it would take too much time or memory.
    """
    if not content:
        raise ProblemError(Problem.of("malformed-request", "the image is empty; send the bytes of a photo"))
    name, content = extract(bytes(content), max_pixels)
    # Warning filters belong to the process. If two threads interfere here, Pillow only stays silent for longer.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            return _decode(name, content, max_pixels, keep)
        except ProblemError:
            raise
        except (Image.DecompressionBombError, MemoryError) as error:
            raise too_large(f"the {name} file takes too much memory: send a smaller picture") from error
        except UnidentifiedImageError as error:
            raise damaged(name, "its header makes no sense") from error
        except Exception as error:  # Pillow's decoders raise a dozen types
            raise damaged(name, f"its picture is broken or incomplete ({error})") from error


def crop(photo: Photo, size: int, crop_pct: float) -> tuple[NDArray[np.uint8], Box]:
    """Return the network's input from a photo, and its place on the photo.

    Args:
        photo: any photo.
        size: side of the network's input, in pixels. Photos keep enough pixels for up to ``KEEP * crop_pct / 2``.
        crop_pct: share of the shorter side that the input covers, above 0 and at most 1.

    Returns:
        ``[size, size, 3]`` and its box. The shorter side is resized to ``round(size / crop_pct)`` pixels, bicubic with
        antialiasing, and the middle is cut out.
    """
    side = min(photo.width, photo.height) * size / round(size / crop_pct)
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    box = Box(left, top, left + side, top + side)
    return cut(photo, box, size), box


def cut(photo: Photo, box: Box, size: int) -> NDArray[np.uint8]:
    """Return a square part of a photo as the network's input, ``[size, size, 3]``: bicubic, with antialiasing.

    Args:
        photo: any photo.
        box: the part, within the photo.
        size: side of the network's input, in pixels.
    """
    # Resize and cut in one step: the filter uses pixels beyond the box's edge, as it would before a cut.
    across, down = photo.image.width / photo.width, photo.image.height / photo.height
    right, bottom = min(box.right * across, photo.image.width), min(box.bottom * down, photo.image.height)
    part = (box.left * across, box.top * down, right, bottom)
    return np.array(photo.image.resize((size, size), Image.Resampling.BICUBIC, part))


def normalise(pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """Normalise pixels for the network: ``(x / 255 - mean) / std``.

    Args:
        pixels: ``[photo, row, column, channel]``, 0 to 255.
        mean: mean of each channel, on the scale 0 to 1.
        std: standard deviation of each channel, on the scale 0 to 1.

    Returns:
        ``[photo, channel, row, column]``, contiguous.
    """
    batch, height, width, channels = pixels.shape
    scale, shift = scale_and_shift(mean, std)
    result = np.empty((batch, channels, height, width), dtype=np.float32)
    np.multiply(pixels.transpose(0, 3, 1, 2), scale, out=result)
    result -= shift
    return result


def scale_and_shift(mean: Sequence[float], std: Sequence[float]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the factor of each pixel and the number to subtract then, ``[channel, 1, 1]``; see `normalise`."""
    deviation = np.asarray(std, dtype=np.float64)[:, None, None]
    scale = (1 / (255 * deviation)).astype(np.float32)
    return scale, (np.asarray(mean, dtype=np.float64)[:, None, None] / deviation).astype(np.float32)


def _decode(name: str, content: bytes, max_pixels: int, keep: int) -> Photo:
    """Decode a file from ``extract``; errors of Pillow are not caught."""
    with Image.open(io.BytesIO(content), formats=[name]) as file:
        width, height = file.size
        check_size(name, width, height, max_pixels_of(name, max_pixels))
        # libjpeg decodes at 1/2, 1/4 or 1/8 of the size in a fraction of the time. The result may have padding at its
        # right and bottom edges; the second value of ``drafted`` is the picture's extent without it.
        drafted = file.draft(None, (keep, keep))
        if file.size == (width, height):
            check_size(name, width, height, max_pixels, "narrow ")
            drafted = None
        file.load()
        orientation = _orientation(file)
        upright = (height, width) if orientation >= 5 else (width, height)
        if drafted:
            image = _rgb(file).resize(_kept(width, height, keep), Image.Resampling.BICUBIC, drafted[1])
            image = image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image
        elif min(upright) < 2 * keep:
            image = _rgb(file, orientation)
        else:
            # Reduce after turning, so that a photo and its rotated copy give the same pixels. These are the two steps
            # of Pillow's resize with a reducing gap of 2.
            size = _kept(*upright, keep)
            factors = max(int(upright[0] / size[0] / 2), 1), max(int(upright[1] / size[1] / 2), 1)
            box = (0, 0, upright[0] / factors[0], upright[1] / factors[1])
            image = _rgb(file, orientation, factors).resize(size, Image.Resampling.BICUBIC, box)
    return Photo(image, *upright, name)


def _kept(width: int, height: int, keep: int) -> tuple[int, int]:
    """Return the size of a photo whose shorter side is reduced to ``keep`` pixels."""
    shorter = min(width, height)
    return round(width * keep / shorter), round(height * keep / shorter)


def _orientation(file: Image.Image) -> int:
    """Return the EXIF orientation of a loaded picture, 1 to 8; 1 for a TIFF, which Pillow has already turned."""
    file.info.pop("xmp", None)  # Pillow would read the orientation there too; browsers and phones don't
    try:
        orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken EXIF is no reason to reject a photo
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _rgb(file: Image.Image, orientation: int = 1, factors: tuple[int, int] = (1, 1)) -> Image.Image:
    """Return a loaded picture upright, in RGB with 8 bits per channel, on a white background.

    A copy of all pixels in every step of the conversion would take up to 12 bytes a pixel, so it works strip by strip.

    Args:
        file: the picture as decoded.
        orientation: its EXIF orientation.
        factors: horizontal and vertical factor by which the upright picture is reduced.
    """
    convert = _conversion(file)
    width, height = reversed(file.size) if orientation >= 5 else file.size
    result = Image.new("RGB", (-(-width // factors[0]), -(-height // factors[1])))
    rows = max(_STRIP_PIXELS // (width * factors[1]), 1) * factors[1]
    for top in range(0, height, rows):
        # The strip of the stored picture is one of columns if the picture lies on its side, and counted from the other
        # end if it is upside down.
        first, last = top, min(top + rows, height)
        if orientation in (3, 4, 7, 8):
            first, last = height - last, height - first
        box = (first, 0, last, file.height) if orientation >= 5 else (0, first, file.width, last)
        strip = convert(file.crop(box))
        strip = strip.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else strip
        result.paste(strip.reduce(factors) if factors != (1, 1) else strip, (0, top // factors[1]))
    return result


def _conversion(file: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return the function that converts a part of a loaded picture to RGB with 8 bits per channel, on white."""
    if file.mode.startswith("I;16"):
        return lambda part: Image.fromarray((np.asarray(part) >> 8).astype(np.uint8)).convert("RGB")
    if file.mode in ("I", "F"):
        scale, offset = _eight_bit_scale(file)
        return lambda part: part.point(lambda value: value * scale + offset).convert("L").convert("RGB")
    if file.mode == "CMYK" and file.format == "JPEG" and "adobe" not in file.info:
        return lambda part: ImageChops.invert(part).convert("RGB")  # Pillow assumes inverted ink for every CMYK JPEG
    if not file.has_transparency_data:
        return lambda part: part.convert("RGB")
    return _on_white


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")  # there is no direct conversion
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def _eight_bit_scale(image: Image.Image) -> tuple[float, float]:
    """Return factor and offset that convert a grey picture of 32 bits, integer or floating point, to 8 bits.

    The file does not state the value of white. White is the smallest of 1, 255 and 65535 that no value exceeds. If a
    value is negative or above 65535, the smallest value becomes black and the largest white.
    """
    extrema: tuple[float, float] = image.getextrema()  # type: ignore[assignment]
    low, high = extrema
    if not np.isfinite(extrema).all():
        raise ValueError("it has values that are no numbers")
    if low >= 0 and high <= 65535:
        low, high = 0, next(white for white in (1, 255, 65535) if high <= white)
    scale = 255 / max(high - low, 1e-30)
    return scale, 0.5 - low * scale
