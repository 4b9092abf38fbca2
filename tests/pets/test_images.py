"""pets.images: equal inputs from all file formats, and problems for files that are no photo or too large.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import time
import warnings
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps, PngImagePlugin
from torchvision.transforms import v2

from pets.image_files import MAX_PIXELS, extract
from pets.images import KEEP, Photo, crop, normalise, open_photo
from schemas.problems import ProblemError
from tests.pets.hostile import FORMATS, chunk, encoded, hostile_inputs, photo, png, progressive, segment, tiff

ROOT = Path(__file__).parents[2]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ORIENTATION = 274
STORED = {  # operation from the upright to the stored picture, by EXIF orientation
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}


@cache
def scene(width: int = 150, height: int = 100) -> Image.Image:
    """Return a smooth picture without symmetry. It is cached: do not change it."""
    rng = np.random.default_rng(7)
    return Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )


def rotated_copy(image: Image.Image, orientation: int, name: str, **options: object) -> bytes:
    """Return the picture as a camera stores it in this orientation."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    method = STORED[orientation]
    return encoded(image if method is None else image.transpose(method), name, exif=exif, **options)


def pixels(content: bytes) -> NDArray[np.int16]:
    """Return the photo's pixels as signed integers, for differences."""
    return np.asarray(open_photo(content).image).astype(np.int16)


def largest_difference(one: NDArray[np.int16], other: Image.Image) -> int:
    """Return the largest difference of two pictures."""
    return int(np.abs(one - np.asarray(other).astype(np.int16)).max())


def problem_kind(content: bytes) -> str:
    """Return the problem's kind for a rejected file."""
    with pytest.raises(ProblemError) as caught:
        open_photo(content)
    return caught.value.problem.type.removeprefix("urn:shopcat:problem:")


@pytest.fixture(scope="module")
def real_photos() -> list[Path]:
    """A few of the real photos; see the fixture rossmann."""
    folder = os.environ.get("SHOPCAT_DATA")
    if not folder:
        pytest.skip("SHOPCAT_DATA is not set; it names a folder that has oxford-iiit-pet/ in it")
    return sorted((ROOT / folder / "oxford-iiit-pet" / "images").glob("*.jpg"))[::60]


# Formats and modes


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_decoded(name: str) -> None:
    opened = open_photo(encoded(scene(), name))
    assert (opened.format, opened.width, opened.height, opened.image.mode) == (name, 150, 100, "RGB")
    assert open_photo(bytearray(encoded(scene(), name))).image == opened.image  # TorchServe gives a bytearray
    assert largest_difference(np.asarray(opened.image).astype(np.int16), scene()) <= {
        "JPEG": 20,
        "WEBP": 25,
        "GIF": 60,
    }.get(name, 0)


def test_a_palette_grey_and_bilevel_pictures_become_rgb() -> None:
    for mode in ("P", "L", "1"):
        image = scene().convert(mode)
        for name in ("PNG", "GIF", "BMP", "TIFF"):
            assert largest_difference(pixels(encoded(image, name)), image.convert("RGB")) == 0, (mode, name)


def test_transparent_parts_are_white() -> None:
    alpha = Image.linear_gradient("L").resize(scene().size)
    rgba = scene().convert("RGBA")
    rgba.putalpha(alpha)
    weight = np.asarray(alpha)[..., None] / 255
    expected = np.asarray(scene()) * weight + 255 * (1 - weight)
    for name, options in LOSSLESS.items():
        # exact, because WebP otherwise drops the colour of transparent pixels
        extra = {"exact": True} if name == "WEBP" else {}
        assert np.abs(pixels(encoded(rgba, name, **options, **extra)) - expected).max() <= 1, name
    grey = scene().convert("LA")
    grey.putalpha(alpha)
    expected = np.asarray(scene().convert("L"))[..., None] * weight + 255 * (1 - weight)
    for name in ("PNG", "TIFF"):
        assert np.abs(pixels(encoded(grey, name)) - expected).max() <= 1, name


def test_transparent_colours_are_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((0, 0), 0)
    for name in ("PNG", "GIF"):
        seen = pixels(encoded(image, name, transparency=0))
        assert seen[0, 0].tolist() == [255, 255, 255]
        assert seen[1, 1].tolist() == [10, 20, 30]
    by_entry = pixels(encoded(image, "PNG", transparency=bytes([0, 51])))  # a fifth
    assert by_entry[1, 1].tolist() == [206, 208, 210]
    for mode, colour in (("L", 9), ("RGB", (1, 2, 3)), ("1", 0)):
        assert (pixels(encoded(Image.new(mode, (4, 4), colour), "PNG", transparency=colour)) == 255).all(), mode


def test_pictures_of_16_and_32_bits_keep_their_brightness() -> None:
    grey = scene().convert("L")
    values = np.asarray(grey)
    sixteen = Image.fromarray(values.astype(np.uint16) * 257)
    for content in (
        encoded(sixteen, "PNG"),
        encoded(sixteen, "TIFF"),
        encoded(sixteen, "TIFF", compression="tiff_lzw"),
    ):
        assert largest_difference(pixels(content), grey.convert("RGB")) == 0
    real, whole = values.astype(np.float32), values.astype(np.int32)
    for stored in (real / 255, real, real * 257, whole, whole * 257):
        assert largest_difference(pixels(encoded(Image.fromarray(stored), "TIFF")), grey.convert("RGB")) <= 1
    # In any other range, the smallest value is black and the largest white.
    wide = pixels(encoded(Image.fromarray(values.astype(np.float32) * 1_000 - 7), "TIFF"))
    assert (wide.min(), wide.max()) == (0, 255)
    rgb16 = png(
        chunk(b"IDAT", zlib.compress((b"\0" + b"\x12\xff\x34\xff\x56\xff" * 8) * 8)), chunk(b"IEND", b""), depth=16
    )
    assert pixels(rgb16)[3, 3].tolist() == [0x12, 0x34, 0x56]


def test_infinite_values_are_rejected() -> None:
    values = np.asarray(scene().convert("F")).copy()
    values[3, 3] = np.inf
    assert problem_kind(encoded(Image.fromarray(values), "TIFF")) == "damaged-image"


def test_a_big_endian_tiff_is_decoded() -> None:
    rows = bytes(range(64))
    assert pixels(tiff({256: [8], 257: [8], 273: [8], 279: [64]}, rows, order=">"))[1, 2].tolist() == [10, 10, 10]


def test_cmyk_with_and_without_inverted_ink_is_decoded() -> None:
    cmyk = scene().convert("CMYK")
    assert largest_difference(pixels(encoded(cmyk, "TIFF")), scene()) <= 1
    adobe = encoded(cmyk, "JPEG", quality=95)  # Pillow writes inverted ink, like Adobe
    assert largest_difference(pixels(adobe), scene()) < 20
    start = adobe.index(b"\xff\xee")
    plain = encoded(ImageChops.invert(cmyk), "JPEG", quality=95)
    plain = plain[:start] + plain[start + 2 + struct.unpack_from(">H", plain, start + 2)[0] :]
    assert largest_difference(pixels(plain), scene()) < 20


def test_the_first_frame_is_decoded() -> None:
    frames = [scene(), scene().rotate(180), Image.new("RGB", scene().size)]
    for name, options in {"PNG": {}, "WEBP": {"lossless": True}, "TIFF": {}}.items():
        content = encoded(frames[0], name, save_all=True, append_images=frames[1:], **options)
        assert largest_difference(pixels(content), scene()) == 0, name
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert largest_difference(pixels(gif), Image.open(io.BytesIO(gif)).convert("RGB")) == 0


# Data besides the picture


def test_data_besides_the_picture_is_ignored() -> None:
    jpeg, whole = encoded(scene(), "JPEG"), encoded(scene(), "PNG")
    reference = Image.open(io.BytesIO(jpeg))
    comments = segment(0xFE, b"\xff\xd9\xff\xda" * 999) * 50 + segment(0xE2, b"MPF\0" + bytes(99))
    for content in (
        jpeg[:2] + comments + jpeg[2:],
        jpeg + bytes(9_999),
        jpeg + jpeg,
        jpeg[:2] + b"\xff" * 9 + jpeg[2:],
        jpeg[:-2] + segment(0xFE, b"\xff\xd9") + jpeg[-2:],
    ):
        assert largest_difference(pixels(content), reference) == 0
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "0" * 5_000_000, zip=True)  # more than Pillow accepts
    assert largest_difference(pixels(encoded(scene(), "PNG", pnginfo=text)), scene()) == 0
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1_000_000)))
    assert largest_difference(pixels(whole[:33] + bomb * 2_000 + whole[33:]), scene()) == 0
    assert largest_difference(pixels(whole + b"PK\x03\x04"), scene()) == 0


def test_the_scans_of_a_progressive_jpeg_are_limited_by_time() -> None:
    assert open_photo(encoded(scene(900, 700), "JPEG", progressive=True)).image.size == (900, 700)
    began = time.process_time()
    open_photo(progressive(1_000, 1_000, 900))
    assert time.process_time() - began < 1
    assert problem_kind(progressive(1_000, 1_000, 1_000)) == "image-too-large"


def test_damaged_exif_is_ignored_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for exif in (b"Exif\0\0", b"Exif\0\0junk", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40), bytes(60_000)):
            for name in ("JPEG", "PNG", "WEBP"):
                assert open_photo(encoded(scene(), name, exif=exif)).image.size == scene().size


def test_decoding_does_not_change_settings_of_the_process() -> None:
    before = (Image.MAX_IMAGE_PIXELS, list(warnings.filters))
    open_photo(encoded(scene(), "JPEG"))
    with pytest.raises(ProblemError):
        open_photo(b"cat")
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


# Orientation


@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_copy_gives_the_same_photo(orientation: int) -> None:
    whole, box = crop(open_photo(encoded(scene(), "PNG")), 64, 0.9)
    for name, options in LOSSLESS.items():
        content = rotated_copy(scene(), orientation, name, **options)
        opened = open_photo(content)
        assert (opened.width, opened.height) == scene().size
        assert largest_difference(np.asarray(opened.image).astype(np.int16), scene()) == 0, name
        same, same_box = crop(opened, 64, 0.9)
        assert np.array_equal(same, whole)
        assert same_box == box
    content = rotated_copy(scene(), orientation, "JPEG", quality=95)
    assert largest_difference(pixels(content), ImageOps.exif_transpose(Image.open(io.BytesIO(content)))) == 0
    difference = crop(open_photo(content), 64, 0.9)[0].astype(np.int16) - whole
    assert np.abs(difference).mean() < 1.5


@pytest.mark.parametrize("orientation", STORED)
def test_a_rotated_copy_of_a_large_photo_gives_the_same_photo(orientation: int) -> None:
    large = scene(2_563, 1_921)  # not a multiple of libjpeg's reduction factors
    reference = crop(Photo(large, *large.size, "PNG"), 224, 0.875)[0].astype(np.int16)
    for name, options in (("JPEG", {"quality": 95}), ("TIFF", {})):
        opened = open_photo(rotated_copy(large, orientation, name, **options))
        assert (opened.width, opened.height, opened.image.size) == (2_563, 1_921, (854, KEEP))
        difference = np.abs(crop(opened, 224, 0.875)[0] - reference)
        assert difference.mean() < 0.6
        assert difference.max() <= 3  # a shift of half a pixel would give 6
    assert largest_difference(np.asarray(opened.image).astype(np.int16), open_photo(encoded(large, "TIFF")).image) == 0


# Geometry


@settings(max_examples=200, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    factor=st.integers(1, 40),
    size=st.integers(1, 352),
    crop_pct=st.floats(0.5, 1),
)
def test_the_box_is_the_middle_square_of_the_original(
    width: int, height: int, factor: int, size: int, crop_pct: float
) -> None:
    opened = Photo(Image.new("RGB", (width, height)), width * factor, height * factor, "JPEG")
    seen, box = crop(opened, size, crop_pct)
    side = min(opened.width, opened.height) * size / round(size / crop_pct)
    assert seen.shape == (size, size, 3)
    assert seen.dtype == np.uint8
    assert 0 <= box.left <= box.right <= opened.width
    assert 0 <= box.top <= box.bottom <= opened.height
    assert box.right - box.left == pytest.approx(side)
    assert box.bottom - box.top == pytest.approx(side)
    assert (box.left + box.right, box.top + box.bottom) == pytest.approx((opened.width, opened.height))


@given(size=st.integers(8, 352), crop_pct=st.floats(0.5, 0.99), more=st.floats(0, 0.01))
def test_a_larger_share_is_a_larger_box(size: int, crop_pct: float, more: float) -> None:
    opened = Photo(scene(), *scene().size, "PNG")
    small, large = crop(opened, size, crop_pct)[1], crop(opened, size, crop_pct + more)[1]
    assert large.left <= small.left
    assert large.bottom >= small.bottom


def test_the_box_is_the_place_of_the_networks_input() -> None:
    image = Image.new("RGB", (400, 300))
    image.paste("white", (200, 150, 400, 300))  # its corner is the middle of the box
    seen, box = crop(Photo(image, 4_000, 3_000, "JPEG"), 100, 0.8)
    assert box == pytest.approx((800, 300, 3_200, 2_700))
    assert (seen[45:55, 45:55, 0] > 127).tolist() == [[i > 4 and j > 4 for j in range(10)] for i in range(10)]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10_000, 1), (1, 10_000), (2, 3), (65_500, 1)])
def test_photos_of_any_shape_can_be_cropped(width: int, height: int) -> None:
    for name in ("PNG", "JPEG"):
        opened = open_photo(encoded(Image.new("RGB", (width, height), (10, 200, 30)), name))
        assert (opened.width, opened.height, opened.image.size) == (width, height, (width, height))
        seen = crop(opened, 224, 0.875)[0]
        assert np.abs(seen.astype(np.int16) - (10, 200, 30)).max() <= 2


# Comparison with torchvision


def torchvision_input(image: Image.Image, size: int, crop_pct: float) -> NDArray[np.float32]:
    """Return the input that torchvision's validation transforms make from an upright RGB picture."""
    transform = v2.Compose(
        [
            v2.Resize(round(size / crop_pct), interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(size),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    return transform(image)[None].numpy()


def ours(opened: Photo, size: int, crop_pct: float) -> NDArray[np.float32]:
    return normalise(crop(opened, size, crop_pct)[0][None], MEAN, STD)


def test_the_input_equals_torchvisions() -> None:
    image = photo(np.random.default_rng(3), 600, 400)  # noise is the hardest case
    for size, crop_pct in ((200, 1.0), (160, 0.8), (240, 0.6)):  # where torchvision rounds nothing
        expected = torchvision_input(image, size, crop_pct)
        np.testing.assert_allclose(ours(Photo(image, 600, 400, "PNG"), size, crop_pct), expected, atol=1e-4)


def test_inputs_from_real_photos_are_close_to_torchvisions(real_photos: list[Path]) -> None:
    for path in real_photos:
        content = path.read_bytes()
        with Image.open(path) as image:
            expected = torchvision_input(ImageOps.exif_transpose(image).convert("RGB"), 260, 0.89)
        # torchvision rounds the longer side and the crop to whole pixels, ours does not: up to half a pixel of shift.
        assert np.abs(ours(open_photo(content), 260, 0.89) - expected).mean() < 0.25, path.name


def test_a_reduced_large_photo_gives_the_same_input() -> None:
    large = photo(np.random.default_rng(5), 160, 120).resize((2_600, 1_950), Image.Resampling.BICUBIC)
    expected = crop(Photo(large, *large.size, "PNG"), 224, 0.875)[0].astype(np.int16)
    for name in ("JPEG", "BMP"):
        opened = open_photo(encoded(large, name))
        assert (opened.width, opened.height, opened.image.size) == (2_600, 1_950, (853, KEEP))
        assert np.abs(crop(opened, 224, 0.875)[0] - expected).mean() < 1, name


def test_normalise_equals_its_formula() -> None:
    batch = np.random.default_rng(0).integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    result = normalise(batch, MEAN, STD)
    assert (result.dtype, result.shape, result.flags.c_contiguous) == (np.float32, (3, 3, 5, 5), True)
    np.testing.assert_allclose(result, ((batch / 255 - MEAN) / STD).transpose(0, 3, 1, 2), atol=1e-6)
    assert normalise(batch[:0], MEAN, STD).shape == (0, 3, 5, 5)


# Rejected files


def test_each_fault_has_its_problem() -> None:
    whole = encoded(scene(), "JPEG")
    assert problem_kind(b"") == "malformed-request"
    assert problem_kind(b"a photo of a cat") == "not-an-image"
    assert problem_kind(b"%!PS-Adobe-3.0 EPSF-3.0\n") == "not-an-image"
    assert problem_kind(whole[: len(whole) // 2]) == "damaged-image"
    assert problem_kind(png(width=10_000, height=MAX_PIXELS // 10_000 + 1)) == "image-too-large"
    with pytest.raises(ProblemError, match=r"HEIC.*send one of JPEG, PNG"):
        open_photo(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    with pytest.raises(ProblemError, match="10,000 x 2,601 pixels, 26,010,000 in all; at most 26,000,000"):
        open_photo(png(width=10_000, height=2_601))
    with pytest.raises(ProblemError, match="at most 1,000 are allowed in a PNG"):
        open_photo(encoded(scene(), "PNG"), max_pixels=1_000)


# Maker of a picture of as many pixels as its format may have: the file, in a new process that measures its decoding.
LARGEST = {
    "grey and alpha": "encoded(Image.new('LA', side, (120, 200)), 'PNG')",
    "RGBA": "encoded(Image.new('RGBA', side, (120, 2, 3, 200)), 'PNG')",
    "RGBA on its side": "encoded(Image.new('RGBA', side, (9, 2, 3, 200)), 'PNG', exif=b'MM\\0*\\0\\0\\0\\x08\\0\\1'"
    "b'\\1\\x12\\0\\3\\0\\0\\0\\1\\0\\6\\0\\0\\0\\0\\0\\0')",
    "RGB": "encoded(Image.new('RGB', side, (1, 2, 3)), 'PNG')",
    "RGB with a transparent colour": "encoded(Image.new('RGB', side, (1, 2, 3)), 'PNG', transparency=(1, 2, 3))",
    "16-bit grey": "encoded(Image.fromarray(np.full(side, 3000, np.uint16)), 'PNG')",
    "floating point": "encoded(Image.fromarray(np.full(side, 0.3, np.float32)), 'TIFF', compression='tiff_lzw')",
    "CIELAB": "encoded(Image.new('LAB', side, (1, 2, 3)), 'TIFF', compression='tiff_lzw')",
    "progressive JPEG": "encoded(Image.new('RGB', side, (1, 2, 3)), 'JPEG', progressive=True, subsampling=0)",
    "narrow": "encoded(Image.new('LA', (1279, 20_328), (1, 2)), 'PNG')",
    "JPEG of twice as many pixels": "encoded(Image.new('CMYK', (7_200, 7_200), (1, 2, 3, 4)), 'JPEG')",
    "WebP of half as many": "encoded(Image.new('RGBA', (3_600, 3_600), (1, 2, 3, 4)), 'WEBP', lossless=True)",
}
MEASURE = """
import json, os, sys
import numpy as np
from pathlib import Path
from PIL import Image
from pets.images import open_photo
from tests.pets.hostile import encoded, photo
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
side, grown = (5_099, 5_099), {}
for name, maker in json.loads(sys.argv[1]).items():
    Path(sys.argv[2]).unlink(missing_ok=True)
    if not os.fork():
        Path(sys.argv[2]).write_bytes(eval(maker))
        os._exit(0)
    os.wait()
    content = Path(sys.argv[2]).read_bytes()
    open_photo(encoded(photo(np.random.default_rng(0)), "PNG"))
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    before = peak()
    size = open_photo(content).image.size
    grown[name] = (peak() - before, size)
print(json.dumps(grown))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reset the peak of a process's memory")
def test_the_largest_picture_of_any_mode_takes_a_bounded_memory(tmp_path: Path) -> None:
    """Before, a grey and alpha PNG of 113 KB took 573 MB, and a WebP of 2 KB took 779 MB."""
    command = [sys.executable, "-c", MEASURE, json.dumps(LARGEST), str(tmp_path / "picture")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    grown = json.loads(run.stdout)
    assert grown.keys() == LARGEST.keys()
    assert {name: kilobytes for name, (kilobytes, _) in grown.items() if kilobytes > 230_000} == {}


def test_a_picture_of_several_strips_is_reduced_like_an_undivided_one() -> None:
    """In every orientation; the strips are those of the upright picture."""
    image = scene(3_001, 1_999)
    alpha = image.convert("L").resize((3_001, 1_999))
    image = image.copy()
    image.putalpha(alpha)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    for orientation in STORED:
        upright = white.copy()
        size = (round(3_001 * KEEP / 1_999), KEEP)
        expected = upright.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        opened = open_photo(rotated_copy(image, orientation, "PNG")).image
        assert opened.size == size
        assert largest_difference(np.asarray(opened), expected) == 0, orientation


RUN = """
import json, resource, time
from pets.images import crop, open_photo
from schemas.problems import ProblemError
from tests.pets.hostile import encoded, hostile_inputs, photo
import numpy as np
crop(open_photo(encoded(photo(np.random.default_rng(0)), "JPEG")), 260, 0.89)
inputs, seen = hostile_inputs(), []
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name, content, _ in inputs:
    began, status = time.process_time(), None
    try:
        crop(open_photo(content), 260, 0.89)
    except ProblemError as error:
        status = error.problem.status
    seen.append((name, status, time.process_time() - began))
print(json.dumps({"seen": seen, "growth": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_hostile_inputs_are_rejected_in_little_time_and_memory() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", RUN], cwd=ROOT, capture_output=True, text=True, check=True
    )
    result = json.loads(run.stdout)
    assert len(result["seen"]) >= 200
    assert [name for name, status, _ in result["seen"] if status is None or not 400 <= status < 500] == []
    assert [(name, seconds) for name, _, seconds in result["seen"] if seconds > 1] == []
    assert result["growth"] < 200_000  # kilobytes
    assert "Warning" not in run.stderr


def test_hostile_inputs_are_different_and_repeatable() -> None:
    inputs = hostile_inputs()
    assert (
        len({hostile.content for hostile in inputs}) == len({hostile.name for hostile in inputs}) == len(inputs) >= 200
    )
    assert inputs == hostile_inputs()


@cache
def _complete_files() -> dict[str, bytes]:
    return {name: encoded(scene(40, 30), name) for name in FORMATS}


@settings(max_examples=400, deadline=None)
@given(
    name=st.sampled_from(list(FORMATS)),
    changes=st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(0, 255)), min_size=1, max_size=8),
    header=st.booleans(),
)
def test_a_few_changed_bytes_give_a_photo_or_a_problem(name: str, changes: list[tuple[int, int]], header: bool) -> None:
    content = bytearray(_complete_files()[name])
    for place, value in changes:
        content[place % (64 if header else len(content))] = value
    with contextlib.suppress(ProblemError):  # no other exception is allowed
        opened = open_photo(bytes(content))
        assert opened.image.mode == "RGB"
        assert crop(opened, 32, 0.9)[0].shape == (32, 32, 3)


@given(
    content=st.binary(max_size=300),
    mark=st.sampled_from([b"", *(content[:12] for content in _complete_files().values())]),
)
def test_any_bytes_give_a_photo_or_a_problem(content: bytes, mark: bytes) -> None:
    with contextlib.suppress(ProblemError):
        open_photo(mark + content)


@pytest.mark.parametrize(
    ("name", "size"), [("JPEG", (8_000, 6_500)), *[(k, (6_500, 4_000)) for k in ("PNG", "GIF", "TIFF")]]
)
def test_the_largest_picture_takes_a_bounded_time(name: str, size: tuple[int, int]) -> None:
    content = encoded(Image.new("L", size, 99), name)
    assert len(content) < 60_000_000
    began = time.process_time()
    opened = open_photo(content)
    assert time.process_time() - began < 2
    assert opened.image.size == (round(size[0] * KEEP / size[1]), KEEP)


def test_extracting_again_changes_nothing() -> None:
    for name, whole in _complete_files().items():
        found, content = extract(whole)
        assert found == name
        again = extract(content)[1]
        assert largest_difference(pixels(again), open_photo(whole).image) == 0
