"""Embed photos: decode each once, and append its features and facts to a table.

A photo that can't be read or decoded is listed with its error, and the others are embedded.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelling.features.network import FeatureNetwork
from labelling.features.table import FeatureTable, PhotoFacts
from labelling.photos.files import BrokenFile, PhotoFile, read_content
from labelling.photos.looks import dhash
from pets.image_files import MAX_PIXELS
from pets.images import open_photo
from schemas.problems import ProblemError

BATCH = 8  # photos


class Embedded(NamedTuple):
    """Progress of the embedding: one batch.

    Attributes:
        photos: hashes of the photos whose features are in the table now, those of earlier runs too.
        broken: files that are not photos, and why.
    """

    photos: tuple[str, ...]
    broken: tuple[BrokenFile, ...]


def embed(
    network: FeatureNetwork,
    table: FeatureTable,
    photos: Iterable[PhotoFile],
    *,
    batch: int = BATCH,
    max_pixels: int = MAX_PIXELS,
    decoding: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Embedded]:
    """Append the features of photos to a table, batch by batch. Photos that it has are not decoded again.

    Args:
        network: network that computes the features.
        table: table with the network's key.
        photos: the photos, in the order in which they are wanted.
        batch: number of photos that the network computes at once.
        max_pixels: number of pixels of a photo that may be decoded; see `open_photo`.
        decoding: context in which a photo is decoded, by its hash.

    Yields:
        The result of each batch, when its rows are on the disk. The caller may stop between batches.

    Raises:
        ValueError: if the table is not the network's.
    """
    if table.folder.name != network.key or table.width != network.width:
        raise ValueError(f"the table {table.folder} belongs to another network than {network.key}")
    waiting = iter(photos)
    while files := list(islice(waiting, batch)):
        facts, rows, broken = [], [], []
        for file in files:
            if file.sha256 in table:
                continue
            try:
                with decoding(file.sha256):
                    fact, pixels = _decode(network, file, max_pixels)
            except (ProblemError, OSError) as error:
                broken.append(BrokenFile.of(file.path, error))
            else:
                facts.append(fact)
                rows.append(pixels)
        if facts:
            table.append(facts, network.features(np.stack(rows)))
        yield Embedded(tuple(file.sha256 for file in files if file.sha256 in table), tuple(broken))


def _decode(network: FeatureNetwork, file: PhotoFile, max_pixels: int) -> tuple[PhotoFacts, NDArray[np.uint8]]:
    """Return the facts and the network's input of a photo."""
    photo = open_photo(read_content(file), max_pixels)
    return PhotoFacts(file.sha256, photo.width, photo.height, dhash(photo.image)), network.crop(photo)
