"""Photos with known breeds as principal components: a pool to label, and other photos to judge by."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.heatmaps.dataset import read_split
from labelling.features.components import Components
from labelling.features.embedding import embed
from labelling.features.network import FeatureNetwork
from labelling.features.spaces import BY_NAME
from labelling.features.table import FeatureTable
from labelling.learning.arrays import Bools, Ints
from labelling.learning.audit import draw_audit
from labelling.photos.files import PhotoFile, list_photos

POOL = 564  # photos; why: the project "several hundred photos" of console.md
SPACE = "final-what"


class Album(NamedTuple):
    """All listed photos of the Oxford-IIIT Pet Dataset.

    Attributes:
        features: features of the last stage, ``[photo, column]``.
        breeds: number of the breed, ``[photo]``.
        hashes: SHA-256 of the file, ``[photo]``.
        test: true for a photo of the official test split, ``[photo]``.
    """

    features: NDArray[np.float32]
    breeds: Ints
    hashes: list[str]
    test: Bools


class Pool(NamedTuple):
    """Photos that somebody labels, and others to judge by.

    Attributes:
        rows: principal components of the pool, ``[photo, component]``.
        truth: breed of each photo of the pool.
        audit: true for the photos of the pool that are held back.
        asked: photos of the audit in the order to ask.
        other_rows: other photos along the same components.
        other_truth: their breeds.
    """

    rows: NDArray[np.float32]
    truth: Ints
    audit: Bools
    asked: Ints
    other_rows: NDArray[np.float32]
    other_truth: Ints


def read_album(bundle: Path, data: Path, cache: Path) -> Album:
    """Return the listed photos with their features.

    Args:
        bundle: a pets bundle with a features graph.
        data: folder in the layout of the Oxford-IIIT Pet Dataset.
        cache: folder to keep features in.
    """
    network, table, photos = embedded_photos(bundle, data, cache)
    hashes = [file.sha256 for file in photos]
    features = table.read(table.numbers(hashes), network.columns[BY_NAME[SPACE]])
    breeds = [file.path.stem.rpartition("_")[0] for file in photos]
    test = set(read_split(data, "test"))
    return Album(
        features.astype(np.float32),
        np.unique(breeds, return_inverse=True)[1].astype(np.int64),
        hashes,
        np.array([file.path.stem in test for file in photos]),
    )


def embedded_photos(bundle: Path, data: Path, cache: Path) -> tuple[FeatureNetwork, FeatureTable, list[PhotoFile]]:
    """Return a bundle's network, a table with the features of the listed photos, and these; see `read_album`."""
    photos = listed_photos(data)
    network = FeatureNetwork.load(bundle)
    table = FeatureTable(cache, network.key, network.width)
    for _ in embed(network, table, photos):
        pass
    return network, table, photos


def listed_photos(data: Path) -> list[PhotoFile]:
    """Return the listed photos, each content once: those of training first, in the order of the lists."""
    listed = [*read_split(data, "trainval"), *read_split(data, "test")]
    files = {file.path.stem: file for file in list_photos(data / "images").photos}
    return [files[name] for name in dict.fromkeys(listed) if name in files]


def draw_pool(album: Album, seed: int, others: str, size: int = POOL) -> Pool:
    """Return a random pool of training photos, with components fitted to it.

    Args:
        album: all photos.
        seed: number of the pool.
        others: photos to judge by: ``test`` for the official split, ``left`` for the training photos of the pool's
            breeds that are not in the pool, and ``all`` to draw the pool from all photos and to judge by the rest.
        size: photos of the pool.
    """
    rng = np.random.default_rng(seed)
    candidates = np.arange(len(album.test)) if others == "all" else np.flatnonzero(~album.test)
    drawn = rng.permutation(candidates)
    chosen = np.flatnonzero(album.test) if others == "test" else drawn[size:]
    pool = drawn[:size]
    if others == "left":
        chosen = chosen[np.isin(album.breeds[chosen], album.breeds[pool])]
    audit = draw_audit([album.hashes[photo] for photo in pool], f"pool {seed}")
    return pool_of(album, pool, audit.held, chosen)._replace(asked=audit.asked)


def pool_of(album: Album, photos: Ints, audit: Bools, others: Ints) -> Pool:
    """Return a pool with components fitted to it, without photos to ask about.

    Args:
        album: all photos.
        photos: photos of the pool.
        audit: ``[photo of the pool]``, true for those that are held back.
        others: photos to judge by.
    """
    components = Components.fit(album.features[photos])
    return Pool(
        components.project(album.features[photos]),
        album.breeds[photos],
        audit,
        np.zeros(0, np.int64),
        components.project(album.features[others]),
        album.breeds[others],
    )
