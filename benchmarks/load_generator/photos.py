"""Photos for measurements in which their content does not matter."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 500, 375  # pixels, the commonest size in the Oxford-IIIT Pet Dataset
QUALITY = 95  # gives files of 80 kB; the median file of the Oxford-IIIT Pet Dataset has 100 kB


def made_up_photo(seed: int = 0) -> bytes:
    """Return a JPEG of smooth noise. Like a photo it has soft and sharp areas, so it takes about as long to decode."""
    rng = np.random.default_rng(seed)
    canvas = np.full((SIZE[1], SIZE[0], 3), 128.0)
    for cells, strength in ((4, 60), (16, 40), (64, 20), (192, 20)):
        noise = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        canvas += strength / 128 * (np.asarray(Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)) - 128.0)
    file = io.BytesIO()
    Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def read_photos(data: Path | None, n_photos: int) -> list[bytes]:
    """Return the first photos of ``data / "images"``, or generated ones if ``data`` is None."""
    if data is None:
        return [made_up_photo(seed) for seed in range(n_photos)]
    files = sorted((data / "images").glob("*.jpg"))[:n_photos]
    if len(files) < n_photos:
        raise SystemExit(f"{data / 'images'}: {len(files)} photos, and {n_photos} are needed")
    return [file.read_bytes() for file in files]
