"""Maps that take longer than a request may: a worker lays them out, the one that was asked for last first."""

import asyncio
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from console.labels.learning.maps import DIMENSIONS, MapFiles, Positions, lay_out_map, map_name
from console.labels.service import OpenProject, SeenTable, StaleError, Worker
from labelling.features.spaces import Space

PATIENCE_S = 1.0  # time that a request waits for a map


class _Key(NamedTuple):
    """A map of a version of the rows."""

    name: str
    version: str


class Layouts:
    """PaCMAP maps of a project. `OpenProject.part` makes one for each project.

    Args:
        opened: the project.

    Attributes:
        files: the maps on disk.
    """

    def __init__(self, opened: OpenProject) -> None:
        self._folder = opened.project.folder
        self.files = MapFiles(self._folder)
        self._waiting: dict[_Key, tuple[SeenTable, Space]] = {}
        self._results: dict[_Key, asyncio.Future[Positions]] = {}
        self._running: _Key | None = None
        self._task: asyncio.Task[None] | None = None

    async def positions(self, rows: SeenTable, space: Space, worker: Worker) -> Positions | None:
        """Return a map; None if it is still being made.

        Raises:
            StaleError: if there are other rows by now.
            WorkerError: if the worker has died with it.
        """
        key = _Key(map_name(space, "pacmap"), rows.version)
        known = await run_in_threadpool(self.files.read, key.name, key.version, rows.photos)
        if known is not None:
            self._results.pop(key, None)
            return known
        result = self._ask(key, rows, space, worker)
        await asyncio.wait([result], timeout=PATIENCE_S)
        if not result.done():
            return None
        self._results.pop(key, None)
        return result.result()

    def step(self, rows: SeenTable, space: Space) -> int:
        """Return the number of steps that a map has done."""
        key = _Key(map_name(space, "pacmap"), rows.version)
        return self.files.step(key.name) if key == self._running else 0

    def _ask(self, key: _Key, rows: SeenTable, space: Space, worker: Worker) -> "asyncio.Future[Positions]":
        """Return the future map, which comes next from now on."""
        for other in [waiting for waiting in self._waiting if waiting.version != key.version]:
            del self._waiting[other]
            self._results.pop(other).set_exception(_stale())
        result = self._results.get(key)
        if result is None:
            result = self._results[key] = asyncio.get_running_loop().create_future()
            result.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may wait any more
        if key != self._running and not result.done():
            self._waiting.pop(key, None)
            self._waiting[key] = rows, space
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(worker))
        return result

    async def _run(self, worker: Worker) -> None:
        while self._waiting:
            key, (rows, space) = self._waiting.popitem()
            result = self._results.get(key)
            if result is None:  # its file is there by now
                continue
            self._running = key
            try:
                array = await run_in_threadpool(rows.array, space)
                made = await worker.run(
                    lay_out_map, self._folder, key.name, key.version, rows.photos, array[:, :DIMENSIONS]
                )
            except Exception as error:  # the request that waits for the map raises it
                result.set_exception(error)
            else:
                result.set_result(made)
            finally:
                self._running = None


def _stale() -> StaleError:
    return StaleError("rows_version: there are other photos on the map by now; ask for /photos again")
