"""PNG files of overlays: other decoders read the same pixels, and the files are hardly larger than Pillow's."""

import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from benchmarks.load_generator.photos import made_up_photo
from pets import png


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)


@given(st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=50, deadline=None)
def test_decoders_read_the_same_pixels(height: int, width: int) -> None:
    pixels = noise(height, width)
    file = png.encode(pixels)
    with Image.open(BytesIO(file), formats=["PNG"]) as image:
        image.verify()  # checks the checksums
    with Image.open(BytesIO(file), formats=["PNG"]) as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image), pixels)
    by_libpng = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    assert by_libpng is not None
    assert np.array_equal(by_libpng[..., ::-1], pixels)


@pytest.mark.parametrize("value", [0, 255])
def test_a_plain_picture_gives_a_tiny_file(value: int) -> None:
    pixels = np.full((300, 400, 3), value, np.uint8)
    file = png.encode(pixels)
    assert len(file) < 10_000
    assert np.array_equal(np.asarray(Image.open(BytesIO(file))), pixels)


def test_a_photo_gives_a_file_hardly_larger_than_pillows() -> None:
    image = Image.open(BytesIO(made_up_photo())).convert("RGB")
    by_pillow = BytesIO()
    image.save(by_pillow, "PNG", compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
    assert len(png.encode(np.asarray(image))) < 1.1 * len(by_pillow.getbuffer())
