"""Photos: bytes in, the network's input out. Training's evaluation, offline use and serving all come through here.

What the network sees of a photo is the middle of it: the shorter side is resized to ``size / crop_pct`` pixels, and the
square of ``size`` pixels in the middle is cut out. Colour profiles are not applied: the networks never saw any.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, UnidentifiedImageError

from pets.image_files import check_size, damaged, extract, too_large
from schemas.problems import Problem, ProblemError

KEEP = 640  # pixels of the shorter side that are kept of a large photo: twice what the largest network looks at

_UPRIGHT = {  # EXIF's orientation: how the stored picture is turned to stand upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Box(NamedTuple):
    """A part of a photo, in pixels of the upright original, from its upper left corner; they may be fractions."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: RGB, upright, the whole photo; reduced to KEEP pixels on its shorter side if that has at least twice as
            many in the original.
        width: of the upright original, in pixels.
        height: of the upright original, in pixels.
        format: as found in the bytes: JPEG, PNG, WEBP, GIF, BMP or TIFF.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def open_photo(content: bytes | bytearray) -> Photo:
    """Decodes a photo; of an animation, the first frame.

    Args:
        content: a JPEG, PNG, WebP, GIF, BMP or TIFF file; a name or content type is not believed.

    Raises:
        ProblemError: malformed-request for no bytes, not-an-image for bytes of another format, damaged-image for what
            can't be decoded to its end, image-too-large for what would take too much time or memory.
    """
    if not content:
        raise ProblemError(Problem.of("malformed-request", "the image is empty; send the bytes of a photo"))
    name, content = extract(bytes(content))
    # The filter is the process's; should two threads get in each other's way here, then Pillow stays quiet for longer.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            return _decode(name, content)
        except ProblemError:
            raise
        except (Image.DecompressionBombError, MemoryError) as error:
            raise too_large(f"the {name} file takes too much memory: send a smaller picture") from error
        except UnidentifiedImageError as error:
            raise damaged(name, "its header makes no sense") from error
        except Exception as error:  # Pillow's decoders raise a dozen kinds of it
            raise damaged(name, f"its picture is broken or incomplete ({error})") from error


def crop(photo: Photo, size: int, crop_pct: float) -> tuple[NDArray[np.uint8], Box]:
    """The part of a photo that a network sees.

    Args:
        photo: any photo.
        size: of the network's input, in pixels; KEEP is meant for up to ``KEEP * crop_pct / 2``.
        crop_pct: share of the shorter side that is seen, above 0 and at most 1.

    Returns:
        ``[size, size, 3]``: the shorter side resized to ``round(size / crop_pct)`` pixels, bicubic with antialiasing,
        and cut in the middle; and where that is on the photo.
    """
    side = min(photo.width, photo.height) * size / round(size / crop_pct)
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    box = Box(left, top, left + side, top + side)
    # One step instead of two: the filter looks over the box's edge as it would before a cut.
    across, down = photo.image.width / photo.width, photo.image.height / photo.height
    right, bottom = min(box.right * across, photo.image.width), min(box.bottom * down, photo.image.height)
    part = (left * across, top * down, right, bottom)
    return np.array(photo.image.resize((size, size), Image.Resampling.BICUBIC, part)), box


def normalise(pixels: NDArray[np.uint8], mean: Sequence[float], std: Sequence[float]) -> NDArray[np.float32]:
    """Pixels as the network takes them: ``(x / 255 - mean) / std``.

    Args:
        pixels: ``[photo, row, column, channel]``, 0 to 255.
        mean: of each channel, where 255 counts as 1.
        std: of each channel, likewise.

    Returns:
        ``[photo, channel, row, column]``, contiguous.
    """
    batch, height, width, channels = pixels.shape
    deviation = np.asarray(std, dtype=np.float64)[:, None, None]
    scale = (1 / (255 * deviation)).astype(np.float32)
    shift = (np.asarray(mean, dtype=np.float64)[:, None, None] / deviation).astype(np.float32)
    result = np.empty((batch, channels, height, width), dtype=np.float32)
    np.multiply(pixels.transpose(0, 3, 1, 2), scale, out=result)
    result -= shift
    return result


def _decode(name: str, content: bytes) -> Photo:
    """The photo in a file that ``extract`` has made; raises whatever Pillow raises."""
    with Image.open(io.BytesIO(content), formats=[name]) as file:
        check_size(name, *file.size)
        width, height = file.size
        # libjpeg decodes to 1/2, 1/4 or 1/8 in a fraction of the time. The result may have padding at its right and
        # bottom edges; the box says how far the picture goes.
        drafted = file.draft(None, (KEEP, KEEP))
        file.load()
        orientation = _orientation(file)
        image = _rgb(file)
    if drafted and image.size != (width, height):
        image = image.resize(_kept(width, height), Image.Resampling.BICUBIC, drafted[1])
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    # After turning, so that a photo and its turned twin become the same.
    if min(image.size) >= 2 * KEEP:
        image = image.resize(_kept(width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return Photo(image, width, height, name)


def _kept(width: int, height: int) -> tuple[int, int]:
    """The size of a large photo when its shorter side is reduced to KEEP."""
    shorter = min(width, height)
    return round(width * KEEP / shorter), round(height * KEEP / shorter)


def _orientation(file: Image.Image) -> int:
    """EXIF's orientation of a loaded picture, 1 to 8; 1 for a TIFF, which Pillow has turned by then."""
    file.info.pop("xmp", None)  # Pillow would look there too, which browsers and phones don't
    try:
        orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken EXIF is no reason to refuse a photo
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _rgb(image: Image.Image) -> Image.Image:
    """Any picture as RGB with 8 bits, on white where it is transparent."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        image = _eight_bits(image)
    elif image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        image = ImageChops.invert(image)  # Pillow takes every CMYK JPEG for one of Adobe's, whose ink is inverted
    if not image.has_transparency_data:
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")  # on the way: there is no direct one
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 32 bits, whole or floating, as grey of 8 bits.

    No file says which value is white. It is the first of 1, 255 and 65535 that no value exceeds; if there is none, or
    a value is negative, the smallest value is black and the largest white.
    """
    extrema: tuple[float, float] = image.getextrema()  # type: ignore[assignment]
    low, high = extrema
    if not np.isfinite(extrema).all():
        raise ValueError("it has values that are no numbers")
    if low >= 0 and high <= 65535:
        low, high = 0, next(white for white in (1, 255, 65535) if high <= white)
    scale = 255 / max(high - low, 1e-30)
    return image.point(lambda value: value * scale + (0.5 - low * scale)).convert("L")
