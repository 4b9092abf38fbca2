"""Photos that are kept because operator and client agreed: for a review by a person, or for an appeal.

A worker writes each as one file into a folder, from which the console takes it. The file is named by the id of the
answer's receipt. It has the receipt, a line break and the photo as a JPEG. The photo is made anew: upright, at most
1,024 pixels long, without EXIF, position, comment or profile. Only the service's user can read it.
"""

import logging
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from runtime.folder import make_private

logger = logging.getLogger(__name__)

INCOMING = Path("review", "incoming")  # within the data folder: files that workers write
LONGEST_SIDE = 1024  # pixels; why: people recognise breeds at that size, and a file has about 150 kB
QUALITY = 85  # of the JPEG
MAX_WAITING = 5_000  # photos that may wait for the console; why: it may be down, and they take 750 MB
MIN_FREE = 1 << 30  # bytes that stay free on the disk
SUFFIX = ".photo"
PART = ".part"  # suffix of a file that is being written
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class KeptPhoto(NamedTuple):
    """A kept photo.

    Attributes:
        id: id of the receipt.
        receipt: receipt of the answer about the photo.
        jpeg: the photo.
    """

    id: str
    receipt: str
    jpeg: bytes


def encode(image: Image.Image) -> bytes:
    """Return an upright photo as a JPEG of at most 1,024 pixels on its longer side, with nothing but its pixels."""
    scale = min(LONGEST_SIDE / max(image.size), 1.0)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    resized = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    with tempfile.SpooledTemporaryFile(max_size=1 << 22) as file:
        # why: Pillow would write comments that it has read with the image
        Image.fromarray(np.asarray(resized.convert("RGB"))).save(file, "JPEG", quality=QUALITY, optimize=True)
        file.seek(0)
        return file.read()


def keep(folder: Path, receipt_id: str, receipt: str, image: Image.Image) -> bool:
    """Write a photo with its receipt into a folder, atomically.

    Returns:
        False if the photo is not kept, because too many wait for the console, the disk is nearly full, or it can't be
        written. The log says which. The answer does not depend on it.
    """
    if not _ID.fullmatch(receipt_id):
        raise ValueError(f"the id {receipt_id!r} of a receipt is no name for a file")
    try:
        make_private(folder)
        if len(os.listdir(folder)) >= MAX_WAITING:
            logger.warning("a photo is not kept: %d wait in %s already; does the console run?", MAX_WAITING, folder)
            return False
        if shutil.disk_usage(folder).free < MIN_FREE:
            logger.warning("a photo is not kept: the disk of %s has less than %d bytes free", folder, MIN_FREE)
            return False
        handle, part = tempfile.mkstemp(PART, f".{receipt_id}.", folder)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(receipt.encode() + b"\n" + encode(image))
            Path(part).replace(folder / (receipt_id + SUFFIX))
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
    except OSError as error:
        logger.warning("a photo is not kept: %s", error)
        return False
    return True


def read(file: Path) -> KeptPhoto:
    """Return the kept photo in a file.

    Raises:
        ValueError: if it is not a file of `keep`. The receipt is not verified.
        OSError: if it can't be read.
    """
    receipt, line_break, jpeg = file.read_bytes().partition(b"\n")
    name = file.name.removesuffix(SUFFIX)
    if not _ID.fullmatch(name) or not line_break or not jpeg.startswith(b"\xff\xd8\xff"):
        raise ValueError(f"{file.name} is no kept photo")
    return KeptPhoto(name, receipt.decode("ascii"), jpeg)
