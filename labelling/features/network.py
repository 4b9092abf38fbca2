"""The features graph of a bundle in memory, and its output for a batch of photos."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from labelling.features.layout import FeatureLayout
from labelling.features.spaces import BY_NAME, Space
from pets import bundle as bundles
from pets.bundle import FEATURES
from pets.graph import INPUTS
from pets.images import Photo, crop, normalise
from runtime.bundle import WEIGHTS
from runtime.session import open_session
from schemas.pets.manifest import ImageSpec

_FORMAT = 1  # of the features; why: photos that are cropped or pooled in another way need another cache


class FeatureNetwork:
    """Network that turns photos into features.

    Args:
        session: the features graph.
        image: the network's input.
        hashes: hashes of the files that the features depend on.

    Attributes:
        image: the network's input.
        columns: columns of each space in the rows of features, in the order of the stages.
        width: number of columns.
        key: hash of everything that features depend on besides the photo.
    """

    def __init__(self, session: InferenceSession, image: ImageSpec, hashes: Mapping[str, str]) -> None:
        self._session, self.image = session, image
        self._names = [output.name for output in session.get_outputs()]
        self.columns: dict[Space, slice] = {}
        self.width = 0
        for output in session.get_outputs():
            width = int(np.prod(output.shape[1:]))
            self.columns[BY_NAME[output.name]] = slice(self.width, self.width + width)
            self.width += width
        parts = [_FORMAT, dict(hashes), image.model_dump(), self._names, self.width]
        self.key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", threads: int = 1) -> "FeatureNetwork":
        """Load the features graph of a bundle, and verify the bundle's hashes.

        Args:
            folder: the bundle.
            device: ``cpu`` or ``cuda:N``.
            threads: number of threads within one operator on the CPU.

        Raises:
            BundleError: if the folder is no pets bundle, is damaged, or has no features graph.
            SessionError: if the graph can't run on the device.
        """
        manifest = bundles.load_with_features(folder).manifest
        files = manifest.files
        session = open_session(folder / FEATURES, device, threads=threads)
        return cls(session, manifest.image, {name: files[name] for name in (FEATURES, WEIGHTS)})

    @property
    def layout(self) -> FeatureLayout:
        """Return the layout of the features, which other processes can use without the network."""
        return FeatureLayout(self.key, self.columns, self.width)

    def crop(self, photo: Photo) -> NDArray[np.uint8]:
        """Return the network's input from a photo, ``[size, size, 3]``, as serving crops it."""
        return crop(photo, self.image.size, self.image.crop_pct)[0]

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of photos, ``[photo, column]``.

        Args:
            pixels: ``[photo, size, size, 3]``, from ``crop``.
        """
        images = normalise(pixels, self.image.mean, self.image.std)
        outputs = self._session.run(self._names, {INPUTS[0]: images})
        return np.concatenate([output.reshape(len(pixels), -1) for output in outputs], axis=1)
