"""Principal components of photos in every space, kept in a folder: the arrays that maps, search and learning use.

::

    FOLDER/components.safetensors   means and axes of each space
    FOLDER/KEY/                     photos along the axes, as a `FeatureTable`; the key is the hash of the components

The components are fitted on some photos and stay, so that photos that come later are along the same axes. They may be
fitted anew when there are many more photos; then all photos are projected again.

Matrix products take all threads that BLAS may use. A process beside a service sets OPENBLAS_NUM_THREADS=1. A fit of
2,000 photos by 11,520 columns took 21.7 s of CPU time on two threads of a busy machine, and 1.7 s on one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from labelling.features.components import COMPONENTS, Components
from labelling.features.spaces import Space
from labelling.features.table import FeatureTable, remove_others
from runtime.folder import sha256, write_file

FILE = "components.safetensors"
SAMPLE = 2000  # photos that components are fitted on at most
_STEP = 1024  # photos that are projected at once


class SpaceArrays:
    """Principal components of photos by space, in a folder.

    Args:
        folder: folder of the arrays, such as one of a project; it is created.
        table: features of photos.
        columns: columns of each space in the table's rows, as in `FeatureNetwork.columns`.
    """

    def __init__(self, folder: Path, table: FeatureTable, columns: Mapping[Space, slice]) -> None:
        self._folder, self._table, self._features = folder, table, dict(columns)
        self._file = folder / FILE
        self._fit: _Fit | None = None
        self._status = (0, 0)  # inode and time of the file that was read
        self.refresh()

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Return the spaces, from early to final."""
        return tuple(self._features)

    @property
    def fitted_on(self) -> int:
        """Return the number of photos that the components were fitted on; 0 before the first fit."""
        return 0 if self._fit is None else self._fit.photos

    @property
    def drawn_from(self) -> int:
        """Return the number of photos that those were drawn from; 0 before the first fit."""
        return 0 if self._fit is None else self._fit.drawn_from

    @property
    def version(self) -> tuple[str, int]:
        """Return the hash of the fitted components, empty before the first fit, and the number of projected photos."""
        return ("", 0) if self._fit is None else (self._fit.projected.folder.name, len(self._fit.projected))

    def projected(self, photos: Sequence[str]) -> NDArray[np.bool_]:
        """Return the mark of the photos that are projected along the fitted axes."""
        if self._fit is None:
            return np.zeros(len(photos), np.bool_)
        return self._fit.projected.numbers(photos) >= 0

    def refresh(self) -> bool:
        """Read what other processes have fitted and projected; return True if the components are new."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return False
        if self._fit is not None and self._status == (status.st_ino, status.st_mtime_ns):
            self._fit.projected.refresh()
            return False
        self._status, key = (status.st_ino, status.st_mtime_ns), sha256(self._file)
        if self._fit is not None and self._fit.projected.folder.name == key:
            self._fit.projected.refresh()
            return False
        with safe_open(self._file, "numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("table") != self._table.folder.name:
                return False  # of another network
            components = {
                space: Components(*(file.get_tensor(f"{space.name}.{field}") for field in _FIELDS))
                for space in self._features
            }
        n_photos = int(metadata["photos"])
        self._fit = _Fit.of(self._folder, key, components, n_photos, int(metadata.get("drawn_from", n_photos)))
        return True

    def fit(self, photos: Sequence[str], *, sample: int = SAMPLE, components: int = COMPONENTS) -> None:
        """Fit the components and project the photos; readers see both at once.

        Args:
            photos: hashes of photos that the table has, at least two.
            sample: number of photos to fit on, at most. They are those with the smallest hashes, a random sample.
            components: number of components of a space, at most.

        Raises:
            KeyError: if the table does not have a photo.
            ValueError: if there are fewer than two photos.
        """
        chosen = _numbers(self._table, sorted(photos)[:sample])
        fitted = {
            space: Components.fit(self._table.read(chosen, columns), components)
            for space, columns in self._features.items()
        }
        tensors = {f"{space.name}.{field}": getattr(fitted[space], field) for space in fitted for field in _FIELDS}
        numbers = {"photos": str(len(chosen)), "drawn_from": str(len(photos))}
        content = save(tensors, {"table": self._table.folder.name, **numbers})
        fit = _Fit.of(self._folder, hashlib.sha256(content).hexdigest(), fitted, len(chosen), len(photos))
        self._project(fit, photos)
        write_file(self._file, content, mode=0o600)
        self._fit = fit
        self.remove_others()

    def remove_others(self) -> None:
        """Remove the photos along the axes of earlier fits, except for those that somebody has open."""
        remove_others(self._folder, self._fitted().projected.folder.name)

    def add(self, photos: Sequence[str]) -> None:
        """Project photos along the fitted axes, those that are not projected yet.

        Args:
            photos: hashes of photos that the table has.

        Raises:
            KeyError: if the table does not have a photo.
            RuntimeError: before the first fit.
        """
        self._project(self._fitted(), photos)

    def array(self, space: Space, photos: Sequence[str]) -> NDArray[np.float32]:
        """Return photos along the axes of a space, ``[photo, component]``, in the order of the photos.

        Raises:
            KeyError: if a photo is not projected, or the network has no such space.
            RuntimeError: before the first fit.
        """
        fit = self._fitted()
        return fit.projected.read(_numbers(fit.projected, photos), fit.columns[space])

    def arrays(self, photos: Sequence[str]) -> dict[Space, NDArray[np.float32]]:
        """Return photos along the axes of every space; see `array`."""
        return {space: self.array(space, photos) for space in self._features}

    def _fitted(self) -> "_Fit":
        if self._fit is None:
            raise RuntimeError("the components are not fitted yet; call fit with two photos or more")
        return self._fit

    def _project(self, fit: "_Fit", photos: Sequence[str]) -> None:
        """Append the photos that a fit's table does not have."""
        new = [photo for photo in photos if photo not in fit.projected]
        numbers = _numbers(self._table, new)
        for start in range(0, len(new), _STEP):
            step = numbers[start : start + _STEP]
            rows = [
                components.project(self._table.read(step, self._features[space]))
                for space, components in fit.components.items()
            ]
            fit.projected.append([self._table.facts[number] for number in step], np.concatenate(rows, axis=1))


def network_of(folder: Path) -> str | None:
    """Return the key of the network whose components a folder has; None if it has none."""
    try:
        with safe_open(folder / FILE, "numpy") as file:
            return (file.metadata() or {}).get("table")
    except FileNotFoundError:
        return None


class _Fit(NamedTuple):
    """Components of each space, their columns in the table of projected photos, and numbers of photos: see `fit`."""

    components: dict[Space, Components]
    columns: dict[Space, slice]
    projected: FeatureTable
    photos: int
    drawn_from: int

    @classmethod
    def of(cls, folder: Path, key: str, components: dict[Space, Components], photos: int, drawn_from: int) -> "_Fit":
        """Return a fit with its table; the key is its hash."""
        columns, width = {}, 0
        for space, fitted in components.items():
            columns[space] = slice(width, width + len(fitted.axes))
            width += len(fitted.axes)
        return cls(components, columns, FeatureTable(folder, key, width), photos, drawn_from)


_FIELDS = ("mean", "axes", "variances")


def _numbers(table: FeatureTable, photos: Sequence[str]) -> NDArray[np.int64]:
    """Return the row number of each photo; raise KeyError if the table does not have one."""
    numbers = table.numbers(photos)
    missing = np.flatnonzero(numbers < 0)
    if len(missing):
        raise KeyError(f"{photos[missing[0]]} and {len(missing) - 1} other photos have no features here")
    return numbers
