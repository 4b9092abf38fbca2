"""Compute the pooled features of photos once: as served, mirrored, as a phone's copy, and as shifted copies.

A frozen backbone gives the same features for the same photo. So it runs once over each version of a photo, and any
number of heads can be fitted to the stored features.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save
from torch import Tensor
from tqdm import tqdm

from pets.images import Photo, crop, normalise
from runtime.cores import n_cores
from runtime.folder import write_file
from schemas.pets.manifest import BackboneSpec
from training.pets.data.photos import Split, load_photo
from training.pets.data.shifts import phone, random_shift
from training.pets.network import PetNet

BATCH = 32
_THREADS = 2
_AHEAD = 16  # number of photos that are loaded before the backbone needs them


class PhotoFeatures(NamedTuple):
    """Pooled features of photos, float32 on the CPU.

    Attributes:
        plain: features of the photos as served, ``[photo, P]``.
        mirrored: features of the mirrored photos, ``[photo, P]``.
        phone: features of copies as of a phone, ``[photo, P]``; see `training.pets.data.shifts.phone`.
        shifted: features of shifted copies, ``[copy, photo, P]``; each copy has another random shift.
    """

    plain: Tensor
    mirrored: Tensor
    phone: Tensor
    shifted: Tensor


def photo_features(
    net: PetNet,
    backbone: BackboneSpec,
    photos: Split,
    *,
    size: int,
    crop_pct: float,
    copies: int,
    device: str,
    bfloat16: bool,
    seed: int,
    file: Path | None = None,
    progress: bool | None = None,
) -> PhotoFeatures:
    """Return the pooled features of photos.

    Args:
        net: network whose backbone and pooling compute the features, in eval mode.
        backbone: specification of the backbone, which has the normalisation of its input.
        photos: photos to run over.
        size: side of the network's input, pixels.
        crop_pct: share of a photo's shorter side that the network sees.
        copies: number of shifted copies of each photo; 0 for none.
        device: device of the network.
        bfloat16: compute in bfloat16.
        seed: seed of the shifts.
        file: file that stores the features for a resumed run, in an atomic write. An existing file is read.
        progress: show a progress bar; by default only on a terminal.

    Raises:
        PhotosError: if a photo can't be read.
    """
    if file is not None and file.exists():
        # Copies are aligned in memory. Why: the file's are not, and sums over them differ in the last bit.
        return PhotoFeatures(**{name: part.clone() for name, part in load_file(file).items()})
    versions = 3 + copies
    load = partial(_versions, photos.files, size=size, crop_pct=crop_pct, copies=copies, seed=seed)
    precision = torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bfloat16)
    rows = []
    threads = _THREADS if device == "cpu" else n_cores()
    with ThreadPoolExecutor(threads) as pool, torch.no_grad(), precision:
        pixels = _ahead(pool, load, len(photos.files))
        bar = tqdm(pixels, total=len(photos.files), unit="photo", desc="features", disable=_disabled(progress))
        for batch in _batches(iter(bar), max(BATCH // versions, 1)):
            images = torch.from_numpy(normalise(batch, backbone.mean, backbone.std)).to(device)
            images = images.contiguous(memory_format=torch.channels_last)
            rows.append(net.head.pool(net.body(images)).float().cpu())
    pooled = torch.cat(rows).view(len(photos.files), versions, -1).transpose(0, 1).contiguous()
    features = PhotoFeatures(pooled[0].clone(), pooled[1].clone(), pooled[2].clone(), pooled[3:].clone())
    if file is not None:
        write_file(file, save(features._asdict()))
    return features


def shifted_crops(files: tuple[Path, ...], size: int, crop_pct: float, *, copies: int, seed: int) -> NDArray[np.uint8]:
    """Return the crops of shifted copies that the network sees, not normalised: ``[copy, photo, size, size, 3]``.

    They are the copies that ``photo_features`` computes features of.

    Raises:
        PhotosError: if a photo can't be read.
    """
    load = partial(_versions, files, size=size, crop_pct=crop_pct, copies=copies, seed=seed)
    with ThreadPoolExecutor(_THREADS) as pool:
        return np.stack([versions[3:] for versions in pool.map(load, range(len(files)))], axis=1)


def _versions(
    files: tuple[Path, ...], index: int, *, size: int, crop_pct: float, copies: int, seed: int
) -> NDArray[np.uint8]:
    """Return the inputs of one photo's versions: ``[version, size, size, 3]``, plain, mirrored, phone, shifted copies.

    The random numbers depend only on the seed and the photo's index.
    """
    photo = load_photo(files[index])
    as_of_a_phone = phone(photo.image, np.random.default_rng([seed, index, 1]))
    rng = np.random.default_rng([seed, index])
    shifted = [_photo_of(random_shift(photo.image, rng), photo) for _ in range(copies)]
    plain = crop(photo, size, crop_pct)[0]
    copies_of = [_photo_of(as_of_a_phone, photo), *shifted]
    return np.stack([plain, plain[:, ::-1], *(crop(copy, size, crop_pct)[0] for copy in copies_of)])


def _photo_of(image: Image.Image, photo: Photo) -> Photo:
    return replace(photo, image=image, width=image.width, height=image.height)


def _ahead(
    pool: ThreadPoolExecutor, load: Callable[[int], NDArray[np.uint8]], n_photos: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield the versions of each photo in order; a few photos are loaded ahead, so that memory stays bounded."""
    loading: deque[Future[NDArray[np.uint8]]] = deque()
    for index in range(n_photos):
        loading.append(pool.submit(load, index))
        if len(loading) > _AHEAD:
            yield loading.popleft().result()
    while loading:
        yield loading.popleft().result()


def _batches(items: Iterator[NDArray[np.uint8]], photos: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the versions of several photos at a time: ``[photo * version, size, size, 3]``."""
    batch: list[NDArray[np.uint8]] = []
    for item in items:
        batch.append(item)
        if len(batch) == photos:
            yield np.concatenate(batch)
            batch = []
    if batch:
        yield np.concatenate(batch)


def _disabled(progress: bool | None) -> bool | None:
    return None if progress is None else not progress
