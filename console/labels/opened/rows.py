"""Rows of a project: photos that may be seen and have components, with their labels, groups and arrays."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from labelling.features.arrays import FILE, SpaceArrays
from labelling.features.layout import FeatureLayout
from labelling.features.spaces import Space
from labelling.learning.arrays import UNLABELLED, Bools, Ints
from labelling.projects.errors import ProjectError
from labelling.projects.progress import features, read_progress
from labelling.projects.rows import SeenRows, seen_labels, seen_rows
from labelling.projects.store import Project
from runtime.errors import UserError

HOLD_S = 4.0  # time that rows stay as they are while photos are embedded; why: pages load maps for a version of rows
_CACHED = 200_000_000  # bytes of arrays that a project keeps in memory


class StaleError(UserError):
    """Rows are asked for that are not those of now."""


@dataclass(frozen=True)
class Shown:
    """Photos of one version of the rows.

    Attributes:
        photos: their hashes, in the order of the map.
        groups: ``[row]``, first row of each photo's group of near duplicates.
        version: text that changes with photos, groups and components, and not with labels.
        place: row of each photo, by hash.
    """

    photos: tuple[str, ...]
    groups: Ints
    version: str
    place: Mapping[str, int]


@dataclass(frozen=True)
class SeenTable(SeenRows):
    """Rows with the labels of one moment.

    Attributes:
        version: text that changes with photos, groups and components, and not with labels.
        place: row of each photo, by hash.
        last_event: number of the last event of the project that the labels know.
    """

    version: str
    place: Mapping[str, int] = field(repr=False)
    last_event: int
    _reader: "RowReader" = field(repr=False, compare=False)

    def array(self, space: Space) -> NDArray[np.float32]:
        """Return the rows along the axes of a space, ``[row, component]``. Do not change it.

        Raises:
            KeyError: if the network has no such space.
            ProjectError: if no photo is on the map yet.
            StaleError: if there are other rows by now.
        """
        return self._reader.array(space, self.version)

    def held_back(self, space: Space, photos: Sequence[str]) -> tuple[Bools, NDArray[np.float32]]:
        """Return other photos along the axes of a space, such as those of the audit.

        Returns:
            The mark of the photos that have components, and these, ``[marked photo, component]``.
        """
        return self._reader.others(space, photos)

    def arrays(self) -> dict[Space, NDArray[np.float32]]:
        """Return the rows along the axes of every space; see `array`."""
        return {space: self.array(space) for space in self._reader.spaces}


class RowReader:
    """Reads the rows of a project. Its methods block, and may be called in any thread.

    Args:
        project: the project.
        layout: returns the layout of the features of now; None without a network.
    """

    def __init__(self, project: Project, layout: Callable[[], FeatureLayout | None]) -> None:
        self._project, self._layout = project, layout
        self._lock = threading.RLock()
        self._arrays: SpaceArrays | None = None
        self._network = ""
        self._shown, self._shown_state, self._shown_at = _shown((), np.empty(0, np.int64), ""), ("", "", 0, -1), 0.0
        self._table: SeenTable | None = None
        self._table_state = (-1, -1)
        self._cache: dict[Space, NDArray[np.float32]] = {}

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Return the spaces of the network, from early to final; none without a network."""
        layout = self._layout()
        return () if layout is None else layout.spaces

    def table(self) -> SeenTable:
        """Return the rows of now. While photos are embedded, they change every HOLD_S seconds at most."""
        with self._lock:
            state = self._state()
            is_due = self._is_due(state[0])
            if self._table is not None and state == self._table_state and not is_due:
                return self._table
            if is_due or self._table is None or state[0] != self._table_state[0]:
                rows = seen_rows(self._project)
                if is_due or not {*self._shown.photos} <= {*rows.photos}:  # held back since, for the audit
                    self._show(rows, state[0])
            shown = self._shown
            now = np.full(len(shown.photos), UNLABELLED)
            for photo, label in seen_labels(self._project).items():
                if (row := shown.place.get(photo)) is not None:
                    now[row] = label
            self._table = SeenTable(shown.photos, now, shown.groups, shown.version, shown.place, state[1], self)
            self._table_state = state
            return self._table

    def array(self, space: Space, version: str) -> NDArray[np.float32]:
        """Return the rows of a version along the axes of a space."""
        with self._lock:
            if version != self._shown.version:
                raise StaleError("rows_version: there are other photos on the map by now; ask for /photos again")
            cache = self._cache  # `free` may replace it meanwhile
            if (array := cache.get(space)) is None:
                if self._arrays is None:
                    raise ProjectError("space: no photo is on the map yet; wait until the first ones are embedded")
                array = self._arrays.array(space, self._shown.photos)
                array.flags.writeable = False
                while cache and sum(known.nbytes for known in cache.values()) + array.nbytes > _CACHED:
                    del cache[next(iter(cache))]
                cache[space] = array
            return array

    def others(self, space: Space, photos: Sequence[str]) -> tuple[Bools, NDArray[np.float32]]:
        """Return photos that are not on the map along the axes of a space; see `SeenTable.held_back`."""
        with self._lock:
            if self._arrays is None:
                return np.zeros(len(photos), np.bool_), np.zeros((0, 0), np.float32)
            known = self._arrays.projected(photos)
            return known, self._arrays.array(space, [photos[place] for place in np.flatnonzero(known).tolist()])

    def free(self) -> None:
        """Free the memory of arrays. It does not wait for another thread."""
        self._cache = {}

    def _state(self) -> tuple[int, int]:
        """Return the version of the photos, and the number of the last event."""
        with self._project.database.reading() as connection:
            photos = connection.execute("SELECT photos_version FROM project").fetchone()[0]
            return int(photos), int(connection.execute("SELECT IFNULL(MAX(id), 0) FROM events").fetchone()[0])

    def _is_due(self, photos_version: int) -> bool:
        """Read what the embedding has written since; return True if the photos to show are others."""
        layout = self._layout()
        if layout is None or not (self._project.folder / "components" / FILE).exists():
            return False
        is_fresh = bool(self._shown.photos) and time.monotonic() - self._shown_at < HOLD_S
        if is_fresh and layout.key == self._network and read_progress(self._project).running:
            return False
        if self._arrays is None or layout.key != self._network:
            self._arrays, self._network = features(self._project, layout)[1], layout.key
        else:
            self._arrays.refresh()
        return self._shown_state != (self._network, *self._arrays.version, photos_version)

    def _show(self, rows: SeenRows, photos_version: int) -> None:
        arrays = self._arrays
        if arrays is None:
            return
        kept = np.flatnonzero(arrays.projected(rows.photos))
        _, firsts, inverse = np.unique(rows.groups[kept], return_index=True, return_inverse=True)
        photos = tuple(rows.photos[row] for row in kept.tolist())
        self._shown = _shown(photos, firsts[inverse].astype(np.int64), f"{self._network} {arrays.version[0]}")
        self._shown_state, self._shown_at = (self._network, *arrays.version, photos_version), time.monotonic()
        self._cache = {}


def _shown(photos: tuple[str, ...], groups: Ints, components: str) -> Shown:
    content = " ".join([components, *photos]).encode() + groups.tobytes()
    version = hashlib.sha256(content).hexdigest()[:16]
    return Shown(photos, groups, version, {photo: row for row, photo in enumerate(photos)})
