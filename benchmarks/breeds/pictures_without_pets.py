"""Make a folder of pictures that show no cat and no dog, from packages of Debian that ship pictures.

    apt-get download tuxpaint-stamps-default gcompris-qt-data gnome-backgrounds mate-backgrounds
    python -m benchmarks.breeds.pictures_without_pets OUT *.deb

They are photos of animals, food, plants, tools, vehicles and buildings, paintings, drawings and symbols; in all 1,328
of these four packages in Debian 12. Single-coloured, noisy and blurred pictures come beside them. For `shopcat
train pets --unlike OUT` and `shopcat evaluate --unlike OUT`.
"""

import argparse
import io
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

LARGEST = 1200  # longer side of a saved picture, pixels
SMALLEST = 40  # shorter side below which a picture is an icon
# Parts of names, by which pictures with dogs and cats (and look-alikes of dogs) and letters are left out.
LEFT_OUT = re.compile(
    r"babyshapes|explore_farm_animals|core_|digital_electricity|/dogs/|blackcat|alphabets|mirror|thumb", re.IGNORECASE
)
_FILES = re.compile(rb"RIFF....WEBP|\xff\xd8\xff[\xe0\xe1\xdb]|\x89PNG\r\n\x1a\n", re.DOTALL)


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the pictures")
    parser.add_argument("packages", type=Path, nargs="+", help="Debian packages")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for package in arguments.packages:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg", "-x", package, folder], check=True)
            for name, content in _contents(Path(folder)):
                picture = None if LEFT_OUT.search(name) else _picture(content)
                if picture is not None:
                    picture.save(arguments.out / f"{package.stem.split('_')[0]}_{count:04d}.jpg", quality=92)
                    count += 1
    for number, pixels in enumerate(_synthetic()):
        Image.fromarray(pixels).save(arguments.out / f"synthetic_{number:02d}.png")
    print(f"{count} pictures of packages in {arguments.out}")


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each picture, those inside Qt's resource files too."""
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        if file.suffix.lower() in (".png", ".jpg", ".webp"):
            yield str(file), file.read_bytes()
        elif file.suffix == ".rcc":
            content = file.read_bytes()
            for number, match in enumerate(_FILES.finditer(content)):
                start = match.start()
                if content[start : start + 4] == b"RIFF":
                    (length,) = struct.unpack("<I", content[start + 4 : start + 8])
                    length += 8
                else:  # Qt writes the length before the file
                    (length,) = struct.unpack(">I", content[start - 4 : start])
                if 3000 < length < 5_000_000:
                    yield f"{file.stem}_{number}", content[start : start + length]


def _picture(content: bytes) -> Image.Image | None:
    """Return a picture on white; None if it is damaged or small."""
    try:
        picture = Image.open(io.BytesIO(content)).convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        return None
    picture.thumbnail((LARGEST, LARGEST))
    if min(picture.size) < SMALLEST:
        return None
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture)
    return white


def _synthetic() -> Iterator[np.ndarray]:
    """Yield pictures of one grey, of noise, and of colours that blend into each other."""
    rng = np.random.default_rng(0)
    for grey in range(0, 256, 51):
        yield np.full((300, 300, 3), grey, np.uint8)
    for _ in range(6):
        yield rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
        colours = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        yield np.asarray(colours.resize((300, 300), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    main()
