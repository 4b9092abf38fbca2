"""Jobs of all projects that make bundles: started, watched, and stopped with the console."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from console.labels.out.job import Job, JobError, Jobs, projects_with_jobs
from labelling.learning.audit import KNOWN_FROM
from labelling.projects.models import Models
from labelling.projects.store import Project
from runtime.errors import UserError

logger = logging.getLogger(__name__)

_LOOK_S = 1.0
# Options of `shopcat train pets` by the network that a person chose.
NETWORKS = {"default": "", "quick": "--backbone efficientnet_lite0 --size 128 --no-int8"}
Publish = Callable[[str, Mapping[str, Any]], None]  # project, and its job


class BundleJobs:
    """Jobs that make bundles.

    Args:
        projects: folder of all projects.
        publish: sends a project's job to those who look at the project.
    """

    def __init__(self, projects: Path, publish: Publish) -> None:
        self._projects, self._publish = projects, publish
        self._starting = threading.Lock()
        self._jobs: dict[str, Jobs] = {}
        self._watched: dict[str, tuple[object, ...]] = {}  # running jobs, as they were published last

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Go on with interrupted jobs, and send news of all, while the block runs; then interrupt them."""
        for folder in await run_in_threadpool(projects_with_jobs, self._projects):
            await run_in_threadpool(self._count_look, folder.name)  # a job may have ended without a console
            if await run_in_threadpool(self.of(folder.name).resume):
                self._watched[folder.name] = ()
        task = asyncio.create_task(self._look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for project in list(self._watched):
                await run_in_threadpool(self._interrupt, project)

    def of(self, project: str) -> Jobs:
        """Return the jobs of a project, by its id."""
        return self._jobs.setdefault(project, Jobs(self._projects / project))

    def start(self, project: str, *, who: str, name: str, network: str) -> Job:
        """Start a job. It blocks: call it in a thread.

        Raises:
            JobError: if a job is running, of this project or of another one.
        """
        with self._starting:  # or two projects would each find that no other one has a job
            others = [other.name for other in projects_with_jobs(self._projects) if other.name != project]
            busy = next((other for other in others if self.of(other).is_running()), None)
            if busy is not None:
                raise JobError(f"a bundle is being made of the project {busy}; wait for it, or cancel it there")
            job = self.of(project).start(who=who, name=name, options=NETWORKS[network])
        self._watched[project] = ()
        return job

    def stop(self, project: str) -> None:
        """Cancel the job of a project that is deleted. It blocks: call it in a thread."""
        self._watched.pop(project, None)
        jobs = self._jobs.pop(project, None)
        if jobs is not None:
            jobs.cancel()

    async def _look(self) -> None:
        """Publish what has changed, once a second until this is cancelled."""
        while True:
            for project in list(self._watched):
                try:
                    await self._tell(project)
                except (UserError, OSError) as error:
                    logger.warning("the job of project %s can't be read: %s", project, error)
                except Exception:
                    logger.exception("the job of project %s can't be watched; trying again", project)
            await asyncio.sleep(_LOOK_S)

    async def _tell(self, project: str) -> None:
        job = await run_in_threadpool(self.of(project).current)
        if job is None:
            self._watched.pop(project, None)
            return
        state = (job.saved.state, job.stage, round(job.share, 2))
        if self._watched.get(project) != state and project in self._watched:
            self._watched[project] = state
            self._publish(project, {"state": state[0], "stage": state[1], "share": state[2]})
        if job.saved.state != "running":
            self._watched.pop(project, None)
            await run_in_threadpool(self._count_look, project)

    def _count_look(self, project: str) -> None:
        """Count the last bundle as a model whose figure on the photos of the audit somebody has seen."""
        with suppress(UserError, OSError):  # of an archived or deleted project
            job = self.of(project).last_bundle()
            if job is None or job.manifest is None or job.manifest.metrics["photos"] < KNOWN_FROM:
                return
            model = (job.snapshot or {}).get("model")
            opened = Project(self._projects / project)
            try:
                models = Models(opened.database, opened.audits)
                if isinstance(model, int) and not models.is_judged(model):
                    models.judge(model)
            finally:
                opened.close()

    def _interrupt(self, project: str) -> None:
        try:
            self.of(project).interrupt()
        except (UserError, OSError) as error:
            logger.warning("the job of project %s can't be interrupted: %s", project, error)


def missing_packages() -> str | None:
    """Return why no bundle can be made with what is installed; None if one can."""
    missing = [name for name in ("torch", "timm", "onnxscript") if find_spec(name) is None]
    if not missing:
        return None
    return (
        f"the training needs {', '.join(missing)}, which this installation of Shopcat lacks; run "
        "`pip install 'shopcat[train]'`, or download the photos and train elsewhere"
    )
