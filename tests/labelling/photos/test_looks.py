"""labelling.photos.looks: the hash sees what copies of a photo share."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from labelling.photos.looks import dhash

PHOTO = Image.open(Path(__file__).parents[3] / "docs" / "cat.jpg").convert("RGB")


def distance(one: Image.Image, other: Image.Image) -> int:
    return (dhash(one) ^ dhash(other)).bit_count()


def test_the_bits_say_that_a_pixel_is_brighter_than_its_left_neighbour() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 9), np.uint8)
    image = Image.fromarray(np.repeat(grey[..., None], 3, axis=2))
    bits = "".join("1" if grey[y, x + 1] > grey[y, x] else "0" for y in range(8) for x in range(8))
    assert dhash(image) == int(bits, 2)


def test_smaller_darker_and_compressed_copies_are_near() -> None:
    content = io.BytesIO()
    PHOTO.save(content, "JPEG", quality=30)
    copies = [
        PHOTO.resize((150, 112)),
        ImageEnhance.Brightness(PHOTO).enhance(0.8),
        Image.open(content).convert("RGB"),
    ]
    assert [distance(PHOTO, copy) <= 6 for copy in copies] == [True, True, True]


def test_mirrored_and_other_photos_are_far() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8))
    assert distance(PHOTO, PHOTO.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 20
    assert distance(PHOTO, noise) > 20


def test_one_colour_has_no_bits() -> None:
    assert dhash(Image.new("RGB", (50, 40), "red")) == 0
