"""Augmentation: each transform equals torchvision's or fastai's, and all together equal a chain of them."""

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from fastai.vision.augment import TensorImage, logit
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from training.pets.data.augment import (
    DEFAULT,
    LESSON,
    NONE,
    PRESETS,
    Draw,
    Strengths,
    augment,
    draw,
    homography,
    lighting,
)

SIZE = 100
RAW: dict[str, Any] = {"size": SIZE, "shorter": SIZE, "mean": (0, 0, 0), "std": (1, 1, 1)}


def photo(height: int = SIZE, width: int = SIZE, scale: int = 1) -> NDArray[np.uint8]:
    """Draw a smooth asymmetric picture, which an interpolation hardly changes."""
    y, x = (np.mgrid[0 : height * scale, 0 : width * scale] + 0.5) / (SIZE * scale)
    waves = [np.sin(5 * x + 2 * y), np.cos(4 * y - x), np.sin(3 * x * y + 1)]
    return (127.5 * (1 + np.stack(waves))).astype(np.uint8)


def image(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels) / 255


def fastai_image(pixels: NDArray[np.uint8]) -> Any:
    return TensorImage(image(pixels)[None])


def far(got: Tensor, expected: Tensor, inside: NDArray[np.bool_] | None = None) -> float:
    """Return the largest difference, leaving out a margin."""
    difference = (got - torch.Tensor(expected)).abs().numpy().max(0)
    return float(difference[inside].max() if inside is not None else difference.max())


def disc(radius: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5 - SIZE / 2
    return np.asarray(np.hypot(y, x) < radius)


def test_an_empty_draw_changes_nothing() -> None:
    assert far(augment(photo(), Draw(), **RAW), image(photo())) < 1e-4


def test_a_flip_equals_torchvisions() -> None:
    assert far(augment(photo(), Draw(flip=True), **RAW), tv.hflip(image(photo()))) < 1e-4


@pytest.mark.parametrize("degrees", [-20, 7.5, 90])
def test_a_rotation_equals_torchvisions(degrees: float) -> None:
    expected = tv.rotate(image(photo()), degrees, InterpolationMode.BILINEAR)
    assert far(augment(photo(), Draw(degrees=degrees), **RAW), expected, disc(SIZE / 2 - 2)) < 1e-3


def test_a_rotation_of_an_oblong_photo_does_not_shear_it() -> None:
    oblong = photo(SIZE, 160)
    expected = tv.center_crop(tv.rotate(image(oblong), 20, InterpolationMode.BILINEAR), [SIZE, SIZE])
    assert far(augment(oblong, Draw(degrees=20), **RAW), expected, disc(SIZE / 2 - 2)) < 1e-3


@pytest.mark.parametrize("warp", [(-0.3, 0.3, -0.2, 0.2), (0.2, -0.2, 0, 0), (0.3, -0.3, -0.35, 0.35)])
def test_a_warp_equals_fastais(warp: tuple[float, ...]) -> None:
    """fastai v2 moves opposite sides in opposite directions; the first value is the right side, the third the lower."""
    expected = fastai_image(photo()).warp(
        magnitude=0.4, p=1.0, draw_x=-warp[0], draw_y=-warp[2], pad_mode="reflection", align_corners=False
    )[0]
    assert far(augment(photo(), Draw(warp=warp), **RAW), expected) < 1e-3


def test_a_warp_of_one_side_equals_torchvisions_perspective() -> None:
    right, left, lower, upper = warp = (0.1, 0.3, 0.2, 0.4)  # all grow, so that nothing is mirrored
    half = SIZE / 2
    corners = [(0.0, 0.0), (SIZE, 0.0), (SIZE, SIZE), (0.0, SIZE)]
    moved = [(-upper, -left), (2 + upper, -right), (2 + lower, 2 + right), (-lower, 2 + left)]
    expected = tv.perspective(
        image(photo()),
        [list(corner) for corner in corners],
        [[half * x, half * y] for x, y in moved],
        InterpolationMode.BILINEAR,
    )
    assert far(augment(photo(), Draw(warp=warp), **RAW), expected) < 1e-3


@pytest.mark.parametrize(("row", "column"), [(0.5, 0.5), (0.0, 1.0), (0.8, 0.3)])
def test_a_zoom_equals_fastais(row: float, column: float) -> None:
    expected = fastai_image(photo()).zoom(
        max_zoom=1.3, p=1.0, draw=1.3, draw_x=column, draw_y=row, pad_mode="reflection", align_corners=False
    )[0]
    assert far(augment(photo(), Draw(zoom=1.3, zoom_at=(row, column)), **RAW), expected) < 1e-3


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 0.25), (0.5, 0.5)])
def test_the_crop_may_lie_anywhere(at: tuple[float, float]) -> None:
    tall = photo(SIZE + 40, SIZE + 20)
    top, left = round(40 * at[0]), round(20 * at[1])
    expected = image(tall)[:, top : top + SIZE, left : left + SIZE]
    assert far(augment(tall, Draw(crop_at=at), **{**RAW, "shorter": SIZE + 20}), expected) < 1e-4


@pytest.mark.parametrize(("brightness", "contrast"), [(0.3, 1.0), (0.5, 1.6), (0.7, 0.6)])
def test_brightness_and_contrast_equal_fastais(brightness: float, contrast: float) -> None:
    pixels = np.arange(256, dtype=np.uint8)
    expected = fastai_image(pixels[None, None].repeat(3, 0)).brightness(draw=brightness, p=1.0)
    expected = expected.contrast(draw=contrast, p=1.0)[0, 0, 0]
    got = lighting(Draw(brightness=brightness, contrast=contrast))
    np.testing.assert_allclose(got, expected, atol=1e-4)  # near white, float32 has no more digits


def test_all_transforms_at_once_equal_one_after_another() -> None:
    """On a smooth picture one resampling equals a chain of torchvision's and fastai's, away from mirrored edges."""
    both = Draw(flip=True, warp=(0.05, 0.1, 0.1, 0.05), degrees=8, zoom=1.25, zoom_at=(0.4, 0.6), brightness=0.6)
    chain = torch.sigmoid(logit(image(photo())) + logit(torch.tensor(0.6)))
    chain = tv.rotate(chain, 8, InterpolationMode.BILINEAR)
    chain = TensorImage(chain[None]).zoom(
        max_zoom=1.25, p=1.0, draw=1.25, draw_x=0.6, draw_y=0.4, align_corners=False, pad_mode="reflection"
    )[0]
    moved = [(-0.05, -0.1), (2.05, -0.05), (2.1, 2.05), (-0.1, 2.1)]
    chain = tv.perspective(
        torch.Tensor(chain),
        [[0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]],
        [[SIZE / 2 * x, SIZE / 2 * y] for x, y in moved],
        InterpolationMode.BILINEAR,
    )
    assert far(augment(photo(), both, **RAW), tv.hflip(chain), disc(40)) < 0.01


def test_normalisation_comes_last_and_changes_no_geometry() -> None:
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    some = Draw(degrees=10, zoom=1.2, contrast=1.4, warp=(0.1, 0.2, -0.1, 0.3))
    plain = augment(photo(), some, **RAW)
    got = augment(photo(), some, **{**RAW, "mean": mean, "std": std})
    assert far(got, tv.normalize(plain, list(mean), list(std))) < 1e-5


def test_a_photo_with_more_pixels_gives_the_same_crop() -> None:
    """A cached photo may have more pixels than the crop needs."""
    some = Draw(degrees=-12, zoom=1.1, zoom_at=(0.2, 0.7), crop_at=(0.3, 0.9), warp=(0.1, 0.2, -0.1, 0.3))
    options = {**RAW, "shorter": 120}
    small, large = (augment(photo(120, 160, scale), some, **options) for scale in (1, 2))
    assert far(large, small) < 0.02


def test_a_tensor_is_transformed_as_an_array_is() -> None:
    """Tensors take another way, which a GPU can go."""
    torch.manual_seed(0)
    oblong, options = photo(SIZE, 130), {**RAW, "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4)}
    for drawn in draw(dataclasses.replace(LESSON, erase=0.5), 20):
        assert far(augment(torch.from_numpy(oblong), drawn, **options), augment(oblong, drawn, **options)) < 1e-5


def test_the_photo_is_mirrored_beyond_its_edge() -> None:
    """A white photo stays white at any strength; with zeros beyond its edge it would have black corners."""
    torch.manual_seed(0)
    white = np.full((3, SIZE, 140), 255, np.uint8)
    strengths = dataclasses.replace(LESSON, lighting=0.0, rotate=90.0)
    for each in draw(strengths, 50):
        assert augment(white, each, **RAW).min() > 0.999
    # and what is mirrored is the picture itself
    wide = augment(photo(), Draw(zoom=0.5), **RAW)
    mirrored = np.pad(photo(), ((0, 0), (SIZE // 2,) * 2, (SIZE // 2,) * 2), mode="symmetric")
    expected = tv.resize(image(mirrored), [SIZE, SIZE], InterpolationMode.BILINEAR, antialias=False)
    assert far(wide, expected) < 1e-3


def test_the_strongest_warp_stays_a_picture() -> None:
    """Sides that grow and shrink against each other tilt a corner beyond the horizon, where coordinates diverge."""
    for warp in itertools.product((-0.4, 0.4), repeat=4):
        got = augment(photo(), Draw(warp=warp), **RAW)
        assert got.isfinite().all()
        assert got.min() >= 0
        assert got.max() <= 1.0001


def test_the_lessons_strengths_are_drawn_in_their_ranges() -> None:
    """The numbers of ``get_transforms(max_rotate=20, max_zoom=1.3, max_lighting=0.4, max_warp=0.4, p_...=1)``."""
    torch.manual_seed(1)
    drawn = draw(LESSON, 4000)
    bounds = {
        "degrees": (-20, 20),
        "zoom": (1, 1.3),
        "brightness": (0.3, 0.7),
        "contrast": (0.6, 1 / 0.6),
    }
    for name, (low, high) in bounds.items():
        values = np.array([getattr(each, name) for each in drawn])
        assert low <= values.min() < low + 0.01 * (high - low), name
        assert high >= values.max() > high - 0.01 * (high - low), name
    assert np.median([each.contrast for each in drawn]) == pytest.approx(1, abs=0.03)  # as often less as more
    for places, (low, high) in {"warp": (-0.4, 0.4), "zoom_at": (0, 1), "crop_at": (0, 1)}.items():
        values = np.array([getattr(each, places) for each in drawn])
        np.testing.assert_allclose(
            [values.min(0), values.max(0)], np.array([[low], [high]]).repeat(values.shape[1], 1), atol=0.01
        )
        # all of them are drawn by themselves
        assert np.abs(np.corrcoef(values.T) - np.eye(values.shape[1])).max() < 0.06
    assert np.mean([each.flip for each in drawn]) == pytest.approx(0.5, abs=0.03)
    assert not any(each.erase for each in drawn)


def test_fastais_defaults_leave_each_transform_out_a_quarter_of_the_time() -> None:
    torch.manual_seed(1)
    drawn = draw(DEFAULT, 4000)
    for name in ("warp", "degrees", "zoom", "brightness", "contrast"):
        left_out = np.mean([getattr(each, name) == getattr(Draw(), name) for each in drawn])
        assert left_out == pytest.approx(0.25, abs=0.03), name
    assert max(abs(each.degrees) for each in drawn) == pytest.approx(10, abs=0.1)


def test_zero_strengths_draw_no_transform() -> None:
    for each in draw(NONE, 100):
        assert far(augment(photo(), each, **RAW), image(photo())) < 1e-4
    assert not NONE.moves
    assert all(strengths.moves for name, strengths in PRESETS.items() if name not in ("none", "flip"))


def test_a_seed_repeats_the_draw() -> None:
    torch.manual_seed(5)
    first, other = draw(LESSON, 20), draw(LESSON, 20)
    torch.manual_seed(5)
    assert draw(LESSON, 20) == first != other


def test_a_rectangle_is_erased_with_probability_one() -> None:
    torch.manual_seed(0)
    drawn = [each.erase for each in draw(dataclasses.replace(NONE, erase=0.5), 1000)]
    assert np.mean([each is not None for each in drawn]) == pytest.approx(0.5, abs=0.05)
    white = np.full((3, SIZE, SIZE), 255, np.uint8)
    for rectangle in filter(None, drawn):
        top, left, height, width = rectangle
        assert min(rectangle) >= 0
        assert max(top + height, left + width) <= 1 + 1e-9
        assert height * width + 1e-9 >= 0.02
        got = augment(white, Draw(erase=rectangle), **RAW)
        assert float((got == 0).float().mean()) == pytest.approx(height * width, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"zoom": 0.9}, "zoom is 0.9; it must lie between 1 and 10"),
        ({"flip": 1.5}, "flip is 1.5"),
        ({"lighting": 1.0}, "lighting is 1.0"),
        ({"warp": -0.1}, "warp is -0.1"),
        ({"rotate": math.nan}, "rotate is nan"),
    ],
)
def test_strengths_out_of_range_are_an_error(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Strengths(**wrong)  # type: ignore[arg-type]


def test_a_crop_larger_than_the_photo_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter side is 80"):
        augment(photo(), Draw(), **{**RAW, "shorter": 80})


def test_the_middle_of_the_crop_is_the_middle_of_the_photo() -> None:
    matrix = homography(Draw(), 224, 300.5, 400.25)
    middle = matrix @ [111.5, 111.5, 1]
    np.testing.assert_allclose(middle[:2] / middle[2], 0, atol=1e-12)
