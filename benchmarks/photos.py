"""Photos to measure with, where their content does not matter."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 500, 375  # pixels; as most photos of the Oxford-IIIT pets have
QUALITY = 95  # the files have 80 kB then; the median of the Oxford-IIIT pets has 100 kB


def made_up_photo(seed: int = 0) -> bytes:
    """Smooth noise as a JPEG: soft and sharp places, as a photo has, and so about as much to decode."""
    rng = np.random.default_rng(seed)
    canvas = np.full((SIZE[1], SIZE[0], 3), 128.0)
    for cells, strength in ((4, 60), (16, 40), (64, 20), (192, 20)):
        noise = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        canvas += strength / 128 * (np.asarray(Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)) - 128.0)
    file = io.BytesIO()
    Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def read_photos(data: Path | None, many: int) -> list[bytes]:
    """The first photos of ``images/`` in a folder in the layout of the Oxford-IIIT pets, or made-up ones."""
    if data is None:
        return [made_up_photo(seed) for seed in range(many)]
    files = sorted((data / "images").glob("*.jpg"))[:many]
    if len(files) < many:
        raise SystemExit(f"{data / 'images'}: {len(files)} photos, and {many} are needed")
    return [file.read_bytes() for file in files]
