"""Drawn photos that a network can classify; imports no test tools, so that other processes can use it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

BREEDS = {"Birman": (200, 60, 50), "Maine_Coon": (60, 170, 70), "Pug": (60, 80, 210)}
PHOTOS = 15  # number of photos of each breed


def draw_photo(breed: str, seed: int) -> Image.Image:
    """Draw the breed's coloured disc, square or triangle on noise; place and size of the photo are random."""
    rng = np.random.default_rng([seed, len(breed)])
    width, height = rng.integers(120, 200, 2)
    noise = rng.integers(60, 180, (6, 8, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((int(width), int(height)), Image.Resampling.BICUBIC)
    x, y = (float(side * rng.uniform(0.35, 0.65)) for side in (width, height))
    r = float(rng.uniform(30, 45))
    pen = ImageDraw.Draw(photo)
    if breed == "Birman":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=BREEDS[breed])
    elif breed == "Maine_Coon":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=BREEDS[breed])
    else:
        pen.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], fill=BREEDS[breed])
    return photo


def draw_photos(folder: Path, photos: int = PHOTOS) -> Path:
    """Draw photos of each breed into a folder each. Every sixth shows another breed, so that no answer is certain."""
    names = list(BREEDS)
    for i, breed in enumerate(names):
        (folder / breed).mkdir(parents=True)
        for seed in range(photos):
            shown = names[(i + 1) % 3] if seed % 6 == 5 else breed
            draw_photo(shown, seed).save(folder / breed / f"{seed}.jpg", quality=92)
    return folder
