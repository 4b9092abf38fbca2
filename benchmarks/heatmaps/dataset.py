"""Photos of the Oxford-IIIT Pet Dataset with their animal masks and head boxes."""

import csv
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from benchmarks.heatmaps.metrics import Mask
from pets.images import Box, Photo, open_photo


def read_split(data: Path, name: str) -> list[str]:
    """Return the image names of an official split, ``test`` or ``trainval``."""
    lines = (data / "annotations" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [line.split()[0] for line in lines if line and not line.startswith("#")]


def read_photo(data: Path, name: str) -> Photo:
    """Open an image by its name in the splits."""
    return open_photo((data / "images" / f"{name}.jpg").read_bytes())


def read_mask(path: Path, box: Box, side: int) -> tuple[Mask, Mask]:
    """Cut the network's input out of a trimap.

    Args:
        path: PNG file of the trimap: 1 is animal, 2 background, 3 the outline between them.
        box: part of the photo that the network sees.
        side: side of the network's input, pixels.

    Returns:
        The animal's pixels, and the pixels that are either animal or background. An outline pixel is in neither.
    """
    with Image.open(path) as image:
        trimap = np.asarray(image.resize((side, side), Image.Resampling.NEAREST, box=box))
    return trimap == 1, trimap != 3


def read_heads(data: Path) -> dict[str, Box]:
    """Return head boxes by image, in pixels of the photo.

    They come from ``annotations/xmls`` and, where it exists, ``annotations/head_bboxes.csv``.
    """
    heads = {}
    if (table := data / "annotations" / "head_bboxes.csv").exists():
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                heads[row["image_id"]] = Box(*(float(row[key]) for key in ("xmin", "ymin", "xmax", "ymax")))
    for path in sorted((data / "annotations" / "xmls").glob("*.xml")):
        found = ElementTree.parse(path).getroot().find("object/bndbox")
        if found is not None:
            heads[path.stem] = Box(*(float(found.findtext(key, "nan")) for key in ("xmin", "ymin", "xmax", "ymax")))
    return heads


def to_input_pixels(head: Box, box: Box, side: int) -> Box:
    """Convert a box from pixels of the photo to pixels of the network's input.

    >>> to_input_pixels(Box(20, 30, 40, 50), Box(10, 10, 110, 110), 50)
    Box(left=5.0, top=10.0, right=15.0, bottom=20.0)
    """
    x, y = side / (box.right - box.left), side / (box.bottom - box.top)
    return Box((head.left - box.left) * x, (head.top - box.top) * y, (head.right - box.left) * x,
               (head.bottom - box.top) * y)  # fmt: skip
