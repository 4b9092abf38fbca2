"""Labelling as one part of the console: projects that requests share, workers, and the network of the features."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from console.identity import require
from console.labels.opened.embedding import Embedding, Network
from console.labels.opened.hub import Hub
from console.labels.opened.project import OpenProject
from console.labels.opened.rows import SeenTable, StaleError
from console.labels.opened.worker import Worker, WorkerError
from console.labels.opened.working import read_layout
from console.labels.out.making import BundleJobs
from console.labels.out.serving import ServedModels, feature_bundles
from console.settings import Settings
from labelling.features.layout import FeatureLayout
from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.store import ProjectStore
from runtime.bundle import kind_of
from runtime.errors import UserError

__all__ = ["Hub", "Labelling", "OpenProject", "SeenTable", "StaleError", "Worker", "WorkerError", "labelling_of"]

logger = logging.getLogger(__name__)

PROJECTS = "projects"  # folder of the projects in that of the console's data
_OPEN = 16  # projects that stay open without anybody who looks at them
_LARGE = 2  # of these, projects that keep their arrays in memory
_LOOK_S = 1.0
_NETWORK_S = 5.0
_COMPUTE_S, _DECODE_S = 300.0, 30.0  # seconds that a call of a worker may take, on a busy machine


class Labelling:
    """Shared state of the addresses of labelling.

    Args:
        settings: returns the console's settings of now; a reload replaces them.

    Attributes:
        store: the projects.
        worker: process for computations, at the lowest priority.
        decoder: process that decodes photos for somebody who waits.
        embedding: processes that embed photos.
        bundle: name of the bundle whose network embeds photos; None without one.
        network: layout of the features of that network; None without one.
        network_error: reason why there is none.
        bundles: jobs that make bundles of projects.
        served: served models that such bundles may replace.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self.store = ProjectStore(settings().data / PROJECTS)
        self.worker, self.decoder = Worker(_COMPUTE_S, in_background=True), Worker(_DECODE_S)
        self.bundle: str | None = None
        self.network: FeatureLayout | None = None
        self.network_error: str | None = "the network is being read; try again"
        self.embedding = Embedding(self.store, self._embedder, self._is_watched)
        self.bundles = BundleJobs(self.store.folder, self._publish)
        self.served = ServedModels(settings)
        self._read: dict[str, Path] | None = None  # bundles that the network was read from
        self._settings_read: Settings | None = None
        self._reading: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._opened: OrderedDict[str, OpenProject] = OrderedDict()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Embed photos and send news while the block runs."""
        tasks = [asyncio.create_task(run()) for run in (self._look, self.worker.retire, self.decoder.retire)]
        try:
            with self.embedding.stopped_at_the_end():
                async with self.bundles.running():
                    yield
                self.end_streams()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for opened in self._opened.values():
                opened.close()

    async def open(self, request: Request) -> OpenProject:
        """Return the project of a request, whose client has the role label.

        Raises:
            ProblemError: unauthorized or forbidden.
            UnknownError: if there is no such project.
            ProjectError: if it belongs to another version, or is damaged.
        """
        require(request, "label")
        return await self.project(str(request.path_params["project"]))

    async def project(self, project: str) -> OpenProject:
        """Return a project by its id; see `open`."""
        await self.read_network()
        async with self._opening:
            opened = self._opened.get(project)
            if opened is not None and not opened.is_there:
                self.forget(project)
                opened = None
            if opened is None:
                opened = self._opened[project] = await run_in_threadpool(self._open, project, Hub())
            self._opened.move_to_end(project)
            unwatched = [name for name, known in self._opened.items() if not known.hub.is_watched]
            for other in unwatched[:-_LARGE]:
                self._opened[other].free()
            for other in unwatched[:-_OPEN]:
                self.forget(other)
            return opened

    def forget(self, project: str) -> None:
        """Close a project, and end its streams."""
        if (opened := self._opened.pop(project, None)) is not None:
            opened.close()

    def end_streams(self) -> None:
        """End all streams, so that the server can stop."""
        for opened in self._opened.values():
            opened.hub.end()

    def _publish(self, project: str, job: Mapping[str, Any]) -> None:
        """Send the state of a project's job to those who look at the project."""
        if (opened := self._opened.get(project)) is not None:
            opened.hub.publish("job", job)

    async def read_network(self) -> None:
        """Read the layout of the features of the served bundle, if it has not been read since the last reload.

        A busy machine takes a while, so this waits for a few seconds at most: a page opens without a map then.
        """
        if self._settings() is self._settings_read:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_network(self._settings()))
        await asyncio.wait([self._reading], timeout=_NETWORK_S)

    async def _read_network(self, settings: Settings) -> None:
        bundles = await run_in_threadpool(feature_bundles, settings)
        if bundles != self._read:
            try:
                self.bundle, self.network, self.network_error = await self._found(bundles)
            except WorkerError as error:  # the next request tries again
                self.network_error = str(error)
                return
        self._read, self._settings_read = bundles, settings

    async def _found(self, bundles: dict[str, Path]) -> tuple[str | None, FeatureLayout | None, str | None]:
        """Return the first bundle of pets that can embed photos: its name and layout, or the reason for none."""
        reason = "no model of the kind pets is served; serve a pets bundle to embed photos"
        for name, folder in bundles.items():
            try:
                if kind_of(folder) == "pets":
                    return name, await self.decoder.run(read_layout, folder), None
            except WorkerError:
                raise
            except UserError as error:
                reason = str(error).replace(str(folder), name)
        return None, None, reason

    def _open(self, project: str, hub: Hub) -> OpenProject:
        return OpenProject(self.store.open(project), hub, lambda: self.network, self.embedding.progress)

    def _embedder(self) -> Network | None:
        folder = None if self.bundle is None else (self._read or {}).get(self.bundle)
        return None if folder is None or self.network is None else Network(folder, self.network)

    def _is_watched(self, project: str) -> bool:
        opened = self._opened.get(project)
        return opened is not None and opened.hub.is_watched

    async def _look(self) -> None:
        """Start the embedding where photos wait, and send news, once a second until this is cancelled."""
        while True:
            try:
                if await run_in_threadpool(self.embedding.look_for_projects):
                    await self.read_network()
                    await run_in_threadpool(self.embedding.look)
                for project, opened in list(self._opened.items()):
                    if opened.hub.is_watched:
                        await self._tell(project, opened)
            except Exception:
                logger.exception("the supervisor of labelling failed; it goes on")
            await asyncio.sleep(_LOOK_S)

    async def _tell(self, project: str, opened: OpenProject) -> None:
        """Send a project's news; end its streams if it has been deleted."""
        try:
            if not opened.is_there:
                raise UnknownError(project)
            await run_in_threadpool(opened.news.publish)
        except UnknownError:
            self.forget(project)
        except ProjectError as error:
            logger.warning("project %s: %s", project, error)


def labelling_of(request: Request) -> Labelling:
    """Return the labelling that a request is about."""
    found = request.app.state.labelling
    assert isinstance(found, Labelling)
    return found
