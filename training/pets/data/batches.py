"""Batches of augmented photos to train on, and the crops to judge by.

Threads, not processes, do the work: Pillow, numpy and torch let go of Python's lock while they compute, and threads
share the photos that are kept without a copy. All random numbers of an epoch are drawn before its first batch, so that
the batches are the same whatever the number of threads.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Resampling
from torch import Tensor

from pets.images import Photo, crop
from training.pets.data.augment import Draw, Strengths, augment, draw
from training.pets.data.photos import Split, load_photo

_AHEAD = 2  # batches that threads prepare while one is trained on


class PhotoBatches:
    """Augmented batches of photos, new ones each epoch: float32 ``[photo, 3, size, size]`` and the labels ``[photo]``.

    They obey ``training.batches.Batches``: order and augmentation come from torch's global generator. A short last
    batch is left out; fewer photos than ``batch_size`` are one batch.

    Photos are decoded once and kept, as large as the augmentation can use them, until ``cache_mb`` is spent; the rest
    is decoded each time, at ten times the cost. At 224 pixels and the lesson's strengths a photo takes about 0.4 MB.

    Args:
        photos: to train on.
        size: side of the network's input, in pixels.
        crop_pct: its share of the photo's shorter side, as in evaluation.
        mean: of each channel, 0 to 1, which is subtracted.
        std: of each channel, by which is divided.
        strengths: of the augmentation.
        batch_size: photos in a batch, at least 2.
        balanced: whether each class is drawn equally often, however many photos it has; an epoch stays as long.
        threads: that prepare batches beside the caller; 0 prepares each when it is asked for.
        cache_mb: memory for decoded photos, in MB.

    Raises:
        ValueError: if there are fewer than 2 photos or ``batch_size`` is below 2.
    """

    def __init__(
        self,
        photos: Split,
        *,
        size: int,
        crop_pct: float,
        mean: Sequence[float],
        std: Sequence[float],
        strengths: Strengths,
        batch_size: int,
        balanced: bool = False,
        threads: int = 0,
        cache_mb: int = 2048,
    ) -> None:
        self.photos, self.strengths, self.balanced, self.threads = photos, strengths, balanced, threads
        if len(photos.files) < 2 or batch_size < 2:
            found = f"there are {len(photos.files)} and batch_size is {batch_size}"
            raise ValueError(f"training needs 2 photos in a batch; {found}")
        self.batch_size = min(batch_size, len(photos.files))
        self.labels = torch.from_numpy(photos.labels)
        self._crop_pct = crop_pct
        shorter = round(size / crop_pct) if strengths.moves else size
        self._input: dict[str, Any] = {"size": size, "shorter": shorter, "mean": mean, "std": std}
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._room = cache_mb * 1_000_000
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.photos.files) // self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = self._order()
        draws = draw(self.strengths, len(order))
        if not self.threads:
            yield from self._batches(order, draws, map, ahead=0)
            return
        pool = ThreadPoolExecutor(self.threads)
        try:
            yield from self._batches(order, draws, pool.map, ahead=_AHEAD)
        finally:
            pool.shutdown(cancel_futures=True)

    def _batches(
        self, order: Tensor, draws: Sequence[Draw], run: Callable[..., Iterator[None]], ahead: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches; ``run`` is ``map`` or starts its work at once."""
        waiting: deque[tuple[Tensor, Tensor, Iterator[None]]] = deque()
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = np.empty((len(rows), 3, self._input["size"], self._input["size"]), np.float32)
            work = run(self._fill, batch, rows.tolist(), draws[start : start + self.batch_size])
            waiting.append((torch.from_numpy(batch), self.labels[rows], work))
            if len(waiting) > ahead:
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())

    def _order(self) -> Tensor:
        """Rows of one epoch, a whole number of batches: a permutation, or as many of each class."""
        rows = len(self) * self.batch_size
        if not self.balanced:
            return torch.randperm(len(self.labels))[:rows]
        classes = torch.unique(self.labels)
        quota = torch.full((len(classes),), rows // len(classes))
        quota[torch.randperm(len(classes))[: rows % len(classes)]] += 1
        chosen = []
        for label, many in zip(classes.tolist(), quota.tolist(), strict=True):
            (own,) = torch.where(self.labels == label)
            rounds = [own[torch.randperm(len(own))] for _ in range(-(-many // len(own)))]
            chosen.append(torch.cat([own[:0], *rounds])[:many])
        together = torch.cat(chosen)
        return together[torch.randperm(len(together))]

    def _fill(self, out: NDArray[np.float32], row: int, draw: Draw) -> None:
        out[:] = augment(self._photo(row), draw, **self._input).numpy()  # torch would copy with threads of its own

    def _photo(self, row: int) -> NDArray[np.uint8]:
        photo = self._kept.get(row)
        if photo is None:
            opened = load_photo(self.photos.files[row])
            if self.strengths.moves:
                photo = reduced(opened, self._input["shorter"], self.strengths.zoom)
            else:  # exactly what evaluation sees
                photo = _planes(crop(opened, self._input["size"], self._crop_pct)[0])
            with self._lock:
                if row not in self._kept and photo.nbytes <= self._room:
                    self._kept[row] = photo
                    self._room -= photo.nbytes
        return photo


def _done(batch: Tensor, labels: Tensor, work: Iterator[None]) -> tuple[Tensor, Tensor]:
    """A batch, when its work is done."""
    deque(work, maxlen=0)
    return batch, labels


def reduced(photo: Photo, shorter: int, zoom: float) -> NDArray[np.uint8]:
    """The whole photo as ``augment`` wants it: ``[3, height, width]``.

    Args:
        photo: to reduce.
        shorter: how long its shorter side is at the network, in pixels.
        zoom: by how much it may be zoomed in, so that so many more pixels are kept if it has them.
    """
    side = max(shorter, min(round(shorter * zoom), *photo.image.size))
    width, height = (max(round(length * side / min(photo.image.size)), side) for length in photo.image.size)
    return _planes(np.asarray(photo.image.resize((width, height), Resampling.BICUBIC)))


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``[row, column, channel]`` as ``[channel, row, column]``."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def crops(files: Sequence[Path], size: int, crop_pct: float, *, threads: int = 2) -> NDArray[np.uint8]:
    """What the network sees of photos in evaluation, before it is normalised: ``[photo, size, size, 3]``.

    Raises:
        PhotosError: if a photo can't be read.
    """
    out = np.empty((len(files), size, size, 3), np.uint8)

    def fill(row: int) -> None:
        out[row] = crop(load_photo(files[row]), size, crop_pct)[0]

    with ThreadPoolExecutor(threads) as pool:
        deque(pool.map(fill, range(len(files))), maxlen=0)
    return out
