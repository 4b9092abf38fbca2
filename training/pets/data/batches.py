"""Batches of augmented photos for training, and crops for evaluation.

Threads prepare the batches, not processes: Pillow, numpy and torch release Python's lock while they compute, and
threads share the cached photos without a copy. All random numbers of an epoch are drawn before its first batch, so that
the batches do not depend on the number of threads.
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

_AHEAD = 2  # number of batches that threads prepare in advance


class PhotoBatches:
    """Batches of photos, augmented anew in each epoch: float32 ``[photo, 3, size, size]`` and labels ``[photo]``.

    Like all ``training.loop.batches.Batches``, they take order and augmentation from torch's global generator. A short
    last batch is left out; fewer photos than ``batch_size`` are one batch.

    A photo is decoded once and cached at the largest size that the augmentation can use, until ``cache_mb`` is full.
    Other photos are decoded each time, at ten times the cost. At 224 pixels and the strengths ``lesson``, a cached
    photo takes about 0.4 MB. On a GPU the cache is in its memory, and so is all work after the decoding.

    Args:
        photos: photos to train on.
        size: side of the network's input, pixels.
        crop_pct: share of the photo's shorter side that the input covers, as in evaluation.
        mean: mean of each channel, 0 to 1, for the normalisation.
        std: standard deviation of each channel, for the normalisation.
        strengths: strengths of the augmentation.
        batch_size: number of photos in a batch, at least 2.
        balanced: draw each class equally often; the length of an epoch stays the same.
        threads: number of threads that prepare batches; with 0 the caller prepares each batch.
        cache_mb: size of the cache, MB.
        device: device of the cache, the augmentation and the batches.

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
        device: str = "cpu",
    ) -> None:
        self.photos, self.strengths, self.balanced, self.threads = photos, strengths, balanced, threads
        if len(photos.files) < 2 or batch_size < 2:
            sizes = f"there are {len(photos.files)} and batch_size is {batch_size}"
            raise ValueError(f"training needs 2 photos in a batch; {sizes}")
        self.batch_size = min(batch_size, len(photos.files))
        self.labels = torch.from_numpy(photos.labels)
        self._crop_pct = crop_pct
        shorter = round(size / crop_pct) if strengths.moves else size
        self._input: dict[str, Any] = {"size": size, "shorter": shorter, "mean": mean, "std": std}
        self._device = torch.device(device)
        self._cache: dict[int, NDArray[np.uint8] | Tensor] = {}
        self._free_bytes = cache_mb * 1_000_000
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
        """Yield the batches; ``run`` is ``map``, or a pool's ``map``, which starts at once."""
        waiting: deque[tuple[Tensor, Tensor, Iterator[None]]] = deque()
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            batch = torch.empty((len(rows), 3, self._input["size"], self._input["size"]), device=self._device)
            work = run(self._fill, batch, rows.tolist(), draws[start : start + self.batch_size])
            waiting.append((batch, self.labels[rows].to(self._device), work))
            if len(waiting) > ahead:
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())

    def _order(self) -> Tensor:
        """Return the rows of one epoch, whole batches: a permutation, or equally many rows of each class."""
        rows = len(self) * self.batch_size
        if not self.balanced:
            return torch.randperm(len(self.labels))[:rows]
        classes = torch.unique(self.labels)
        quota = torch.full((len(classes),), rows // len(classes))
        quota[torch.randperm(len(classes))[: rows % len(classes)]] += 1
        chosen = []
        for label, n_rows in zip(classes.tolist(), quota.tolist(), strict=True):
            (rows_of_class,) = torch.where(self.labels == label)
            n_rounds = -(-n_rows // len(rows_of_class))
            rounds = [rows_of_class[torch.randperm(len(rows_of_class))] for _ in range(n_rounds)]
            chosen.append(torch.cat([rows_of_class[:0], *rounds])[:n_rows])
        order = torch.cat(chosen)
        return order[torch.randperm(len(order))]

    def _fill(self, out: Tensor, row: int, draw: Draw) -> None:
        augmented = augment(self._photo(row), draw, **self._input)
        if self._device.type == "cpu":
            out.numpy()[:] = augmented.numpy()  # torch would copy with more threads
        else:
            out.copy_(augmented)

    def _photo(self, row: int) -> NDArray[np.uint8] | Tensor:
        found = self._cache.get(row)
        if found is None:
            opened = load_photo(self.photos.files[row])
            if self.strengths.moves:
                photo = reduced(opened, self._input["shorter"], self.strengths.zoom)
            else:  # exactly what evaluation sees
                photo = _planes(crop(opened, self._input["size"], self._crop_pct)[0])
            found = photo if self._device.type == "cpu" else torch.from_numpy(photo).to(self._device)
            with self._lock:
                if row not in self._cache and photo.nbytes <= self._free_bytes:
                    self._cache[row] = found
                    self._free_bytes -= photo.nbytes
        return found


def _done(batch: Tensor, labels: Tensor, work: Iterator[None]) -> tuple[Tensor, Tensor]:
    """Wait for the work on a batch, and return the batch."""
    deque(work, maxlen=0)
    return batch, labels


def reduced(photo: Photo, shorter: int, zoom: float) -> NDArray[np.uint8]:
    """Return the whole photo at the size that ``augment`` needs: ``[3, height, width]``.

    Args:
        photo: photo to reduce.
        shorter: length of the photo's shorter side at the crop, pixels.
        zoom: largest zoom factor; the result has that many more pixels if the photo has them.
    """
    side = max(shorter, min(round(shorter * zoom), *photo.image.size))
    width, height = (max(round(length * side / min(photo.image.size)), side) for length in photo.image.size)
    return _planes(np.asarray(photo.image.resize((width, height), Resampling.BICUBIC)))


def _planes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return ``[row, column, channel]`` as ``[channel, row, column]``."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def crops(files: Sequence[Path], size: int, crop_pct: float, *, threads: int = 2) -> NDArray[np.uint8]:
    """Return the crops of photos that the network sees in evaluation, not normalised: ``[photo, size, size, 3]``.

    Raises:
        PhotosError: if a photo can't be read.
    """
    out = np.empty((len(files), size, size, 3), np.uint8)

    def fill(row: int) -> None:
        out[row] = crop(load_photo(files[row]), size, crop_pct)[0]

    with ThreadPoolExecutor(threads) as pool:
        deque(pool.map(fill, range(len(files))), maxlen=0)
    return out
