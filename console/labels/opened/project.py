"""An open project: the project on disk, its rows and arrays, and the hub of those who look at it."""

import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from console.labels.opened.hub import Hub
from console.labels.opened.news import News
from console.labels.opened.rows import RowReader, SeenTable
from labelling.features.layout import FeatureLayout
from labelling.features.spaces import Space
from labelling.projects.progress import Progress
from labelling.projects.store import FILE, Project

Part = TypeVar("Part")


class OpenProject:
    """A project that requests share. Methods but `part` block: call them in a thread.

    Args:
        project: the project.
        hub: those who look at it.
        layout: returns the layout of the features of now; None without a network.
        progress: returns the progress of the embedding of a project.

    Attributes:
        project: the project.
        hub: those who look at it.
        news: publisher of all that changes.
    """

    def __init__(
        self,
        project: Project,
        hub: Hub,
        layout: Callable[[], FeatureLayout | None],
        progress: Callable[[Project], Progress],
    ) -> None:
        self.project, self.hub = project, hub
        self._reader = RowReader(project, layout)
        self._progress = progress
        self.news = News(project, self.hub, self.rows, self.progress)
        self._file = _inode(project)
        self._parts: dict[type, Any] = {}
        self._lock = threading.Lock()

    def rows(self) -> SeenTable:
        """Return the photos that may be seen and have components, with their labels."""
        return self._reader.table()

    def array(self, space: Space) -> NDArray[np.float32]:
        """Return the rows of now along the axes of a space, ``[row, component]``. Do not change it.

        `SeenTable.array` does the same for rows that the caller has already.
        """
        return self.rows().array(space)

    def arrays(self) -> dict[Space, NDArray[np.float32]]:
        """Return the rows of now along the axes of every space."""
        return self.rows().arrays()

    def progress(self) -> Progress:
        """Return the progress of the embedding."""
        return self._progress(self.project)

    def part(self, make: "Callable[[OpenProject], Part]") -> Part:
        """Return what a class keeps about this project, such as a trained classifier; it is made once."""
        with self._lock:
            key = cast("type", make)
            if key not in self._parts:
                self._parts[key] = make(self)
            return cast("Part", self._parts[key])

    def free(self) -> None:
        """Free the memory of arrays, which are read again when they are needed. This does not block."""
        self._reader.free()

    @property
    def is_there(self) -> bool:
        """True unless the project has been deleted since."""
        return _inode(self.project) == self._file

    def close(self) -> None:
        """Close the project and end its streams."""
        self.hub.end()
        self.project.close()


class _Inode(NamedTuple):
    device: int
    number: int


def _inode(project: Project) -> _Inode | None:
    """Return the identity of a project's database; another project may get its id after it is deleted."""
    try:
        status = (project.folder / FILE).stat()
    except OSError:
        return None
    return _Inode(status.st_dev, status.st_ino)
