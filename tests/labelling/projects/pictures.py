"""Small pictures for the tests of projects."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def save_photos(folder: Path, count: int, *, first: int = 0) -> Path:
    """Save pictures of noise, each another one; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:03d}.png").write_bytes(picture(number))
    return folder


def picture(number: int, *, size: tuple[int, int] = (24, 16)) -> bytes:
    """Return a picture of noise as a file; each number gives another one."""
    pixels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
