"""Addresses of the bundle that is made of a project's labels: the job, its download, and its serving."""

from http import HTTPStatus
from typing import cast

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from console.bodies import read_body
from console.identity import require
from console.labels.answers import JSON, attachment, client_of
from console.labels.out.job import Job
from console.labels.out.making import missing_packages
from console.labels.service import Labelling, OpenProject, labelling_of
from console.problems import error
from labelling.learning.audit import KNOWN_FROM
from labelling.projects.exchange.archive import zip_folder
from labelling.projects.exchange.export import plan_export
from labelling.projects.models import Models
from runtime.shares import wilson
from schemas.labels.bundles import BundleJob, BundleState, HeldOut, JobState, MadeBundle, NewBundle
from schemas.review.times import utc


def routes() -> list[Route]:
    """Return the routes of bundles."""
    return [
        Route("/labels/{project}/bundle", look, methods=["GET"]),
        Route("/labels/{project}/bundle", make, methods=["POST"]),
        Route("/labels/{project}/bundle", cancel, methods=["DELETE"]),
        Route("/labels/{project}/bundle/bundle.zip", download, methods=["GET"]),
        Route("/labels/{project}/bundle/serve", serve, methods=["POST"]),
        Route("/labels/{project}/bundle/serve", take_back, methods=["DELETE"]),
    ]


async def look(request: Request) -> Response:
    """Return the job, the last bundle, and its serving."""
    return await _answer(request, await labelling_of(request).open(request))


async def make(request: Request) -> Response:
    """Start a job on the labels of now."""
    who, labelling = client_of(request), labelling_of(request)
    opened = await labelling.open(request)
    wanted = await read_body(request, NewBundle)
    if (reason := missing_packages()) is not None:
        raise error("not-supported", reason)
    name = wanted.name or labelling.served.default_name()

    def start() -> None:
        plan_export(opened.project).check()
        labelling.bundles.start(opened.project.id, who=who, name=name, network=wanted.network)

    await run_in_threadpool(start)
    return await _answer(request, opened, HTTPStatus.ACCEPTED)


async def cancel(request: Request) -> Response:
    """Cancel the job if it is running."""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    await run_in_threadpool(labelling.bundles.of(opened.project.id).cancel)
    return await _answer(request, opened)


async def download(request: Request) -> Response:
    """Stream the last bundle as a ZIP file."""
    labelling = labelling_of(request)
    job = await _made(labelling, await labelling.open(request))
    assert job.folder is not None
    assert job.manifest is not None
    name = f"{job.manifest.name}-{job.manifest.version}.zip"
    pieces = iterate_in_threadpool(zip_folder(job.folder))
    return StreamingResponse(pieces, media_type="application/zip", headers=attachment(name))


async def serve(request: Request) -> Response:
    """Serve the last bundle in place of the served model."""
    who = require(request, "admin").client or ""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    job = await _made(labelling, opened)

    def run() -> None:
        labelling.served.serve(job, who=who, origin=opened.project.summary.name)

    await run_in_threadpool(run)
    return await _answer(request, opened, HTTPStatus.ACCEPTED)


async def take_back(request: Request) -> Response:
    """Serve the bundle of the command line again."""
    require(request, "admin")
    labelling = labelling_of(request)
    opened = await labelling.open(request)

    def run() -> None:
        job = labelling.bundles.of(opened.project.id).last_bundle()
        name = labelling.served.default_name() if job is None or job.manifest is None else job.manifest.name
        labelling.served.take_back(name)

    await run_in_threadpool(run)
    return await _answer(request, opened, HTTPStatus.ACCEPTED)


async def _made(labelling: Labelling, opened: OpenProject) -> Job:
    """Return the job that has made the last bundle.

    Raises:
        ProblemError: if there is none.
    """
    job = await run_in_threadpool(labelling.bundles.of(opened.project.id).last_bundle)
    if job is None or job.manifest is None:
        raise error("not-ready", "no bundle has been made of this project; make one first")
    return job


async def _answer(request: Request, opened: OpenProject, status: int = HTTPStatus.OK) -> Response:
    labelling = labelling_of(request)

    def content() -> bytes:
        jobs = labelling.bundles.of(opened.project.id)
        current, last = jobs.current(), jobs.last_bundle()
        return BundleState(
            job=_job(current),
            bundle=None if last is None or last.manifest is None else _bundle(labelling, opened, last),
            refused=missing_packages(),
            serving=labelling.served.state(last),
        ).to_json()

    return Response(await run_in_threadpool(content), status, media_type=JSON)


def _job(job: Job | None) -> BundleJob:
    if job is None:
        return BundleJob(state="none", who=None, started=None, ended=None, stage="", share=0, message="", log_tail="")
    saved = job.saved
    return BundleJob(
        state=cast("JobState", saved.state),
        who=saved.who,
        started=utc(saved.started),
        ended=None if saved.ended is None else utc(saved.ended),
        stage=job.stage,
        share=round(job.share, 3),
        message=saved.message,
        log_tail=job.log_tail,
    )


def _bundle(labelling: Labelling, opened: OpenProject, job: Job) -> MadeBundle:
    manifest, snapshot = job.manifest, job.snapshot or {}
    assert manifest is not None
    assert job.folder is not None
    return MadeBundle(
        name=manifest.name,
        version=manifest.version,
        created=manifest.created.isoformat(),
        path=job.folder.relative_to(labelling.store.folder).as_posix(),
        labels=[breed.name for breed in manifest.classes],
        photos=int(manifest.training["photos"]),
        threshold=manifest.threshold,
        accepted=float(manifest.metrics["accepted"]),
        held_out=_held_out(opened, manifest.metrics, snapshot),
        warnings=[*snapshot.get("warnings", ())],
    )


def _held_out(opened: OpenProject, metrics: dict[str, object], snapshot: dict[str, object]) -> HeldOut:
    """Return the accuracy on the photos of the audit. `BundleJobs` counts each bundle as a look at them."""
    n_photos = int(cast("int", metrics["photos"]))
    right = round(float(cast("float", metrics["accuracy"])) * n_photos)
    models = Models(opened.project.database, opened.project.audits)
    looks = max(models.looks(), 1)
    if n_photos < KNOWN_FROM:
        text = (
            f"The accuracy is not yet known: it needs {KNOWN_FROM} photos of the audit, and the bundle had {n_photos}."
        )
        return HeldOut(right=right, photos=n_photos, share=None, low=None, high=None, looks=looks, text=text)
    low, high = wilson(right, n_photos)
    text = (
        f"{right} of {n_photos} photos of the audit right: {right / n_photos:.0%} accuracy, and with 95 % confidence "
    )
    text += f"between {low:.0%} and {high:.0%}."
    if (blind := snapshot.get("blind")) is not None and blind != n_photos:
        text += f" Only {blind} of them have a blind answer, so that the figure may flatter."
    if looks > 1:
        text += f" These photos have judged {looks} models; the best of many looks better than it is."
    return HeldOut(right=right, photos=n_photos, share=right / n_photos, low=low, high=high, looks=looks, text=text)
