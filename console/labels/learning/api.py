"""Addresses of all that is computed from a project's rows and labels: maps, search, learning and the audit."""

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.bodies import read_body
from console.labels.answers import JSON, MAX_BODY, client_of
from console.labels.learning import audits, checks, maps, separating, suggesting
from console.labels.learning.layouts import Layouts
from console.labels.learning.training import FIRST_SPACE, Learner, Trained, key_of
from console.labels.service import Labelling, OpenProject, SeenTable, StaleError, labelling_of
from labelling.features.spaces import Space
from labelling.learning.checks import ODD_NEIGHBOURS
from labelling.maps.pacmap import STEPS
from labelling.projects.errors import UnknownError
from schemas.labels.audits import AuditAnswer
from schemas.labels.checks import SecondOpinion
from schemas.labels.learning import SeparationRequest, SimilarRequest, SpaceLoss, SpaceRanking, SuggestionRequest
from schemas.labels.maps import LabelMapName, LabelMapProgress, LabelProjection, LabelSpace, LabelSpaces, ProjectionName
from schemas.labels.parts import LabelAnswer
from schemas.problems import invalid_field


def routes() -> list[Route]:
    """Return the routes of maps, learning and the audit."""
    return [
        Route("/labels/{project}/spaces", list_spaces, methods=["GET"]),
        Route("/labels/{project}/spaces/ranking", rank, methods=["GET"]),
        Route("/labels/{project}/maps/{space}/{projection}", show_map, methods=["GET"]),
        Route("/labels/{project}/similar", similar, methods=["POST"]),
        Route("/labels/{project}/separation", separate, methods=["POST"]),
        Route("/labels/{project}/predictions", predict, methods=["GET"]),
        Route("/labels/{project}/suggestions", suggest, methods=["POST"]),
        Route("/labels/{project}/checks", check, methods=["GET"]),
        Route("/labels/{project}/agreement", agreement, methods=["GET"]),
        Route("/labels/{project}/second-opinions", second_opinion, methods=["POST"]),
        Route("/labels/{project}/audit", look_at_audit, methods=["GET"]),
        Route("/labels/{project}/audit", answer_audit, methods=["POST"]),
        Route("/labels/{project}/audit/figure", look_at_figure, methods=["POST"]),
        Route("/labels/{project}/audit/next", next_of_audit, methods=["POST"]),
        Route("/labels/{project}/audit/draw", draw_audit, methods=["POST"]),
    ]


class Work(NamedTuple):
    """A project and its rows at the time of a request."""

    labelling: Labelling
    opened: OpenProject
    rows: SeenTable

    @property
    def learner(self) -> Learner:
        """Return what the project's labels teach."""
        return self.opened.part(Learner)

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Return the spaces of the network, from early to final; none without a network."""
        return () if self.labelling.network is None else self.labelling.network.spaces

    def rank(self) -> bool:
        """Begin to rank the spaces if the labels are enough; return True while a ranking is computed."""
        return self.learner.rank(self.rows, self.spaces, self.labelling.worker)

    def space(self, name: str | None) -> Space:
        """Return a space by its name, by default the best one.

        Raises:
            ProblemError: invalid-request, if there is none.
        """
        if name is None:
            self.rank()
            return self.learner.best
        found = [space for space in self.spaces if space.name == name]
        if not found:
            names = ", ".join(space.name for space in self.spaces) or "none: no network is served"
            raise invalid_field("space", value=name, detail=f"is no space of the network; there are {names}")
        return found[0]

    async def trained(self, space: Space) -> Trained:
        """Return the classifier of the labels of now."""
        return await run_in_threadpool(self.learner.trained, space)


async def begin(request: Request) -> Work:
    """Return the project of a request and its rows."""
    labelling = labelling_of(request)
    opened = await labelling.open(request)
    return Work(labelling, opened, await run_in_threadpool(opened.rows))


async def as_json(make: Callable[[], LabelAnswer]) -> Response:
    """Return the answer that a function makes in a thread."""
    return Response(await run_in_threadpool(lambda: make().to_json()), media_type=JSON)


async def list_spaces(request: Request) -> Response:
    """Return the spaces and projections of the maps."""
    work = await begin(request)
    found = LabelSpaces(
        spaces=[
            LabelSpace(name=space.name, stage=space.stage, pooling=space.pooling, text=space.text)
            for space in work.spaces
        ],
        projections=[LabelProjection(name=name, text=text) for name, text in maps.PROJECTIONS.items()],
        default=LabelMapName(space=FIRST_SPACE.name, projection="pacmap"),
    )
    return Response(found.to_json(), media_type=JSON)


async def show_map(request: Request) -> Response:
    """Return the coordinates of the photos on a map, or the progress of a map that is being made."""
    work = await begin(request)
    rows, version = work.rows, request.query_params.get("rows_version")
    if version not in (None, rows.version):
        raise StaleError("rows_version: there are other photos on the map by now; ask for /photos again")
    space = next((space for space in work.spaces if space.name == request.path_params["space"]), None)
    projection: ProjectionName | None = next(
        (name for name in maps.PROJECTIONS if name == request.path_params["projection"]), None
    )
    if space is None or projection is None:
        raise UnknownError("map: there is no such space or projection; /spaces lists them")
    layouts = work.opened.part(Layouts)
    found = None
    if projection == "pacmap" and rows.photos:
        found = await layouts.positions(rows, space, work.labelling.worker)
        if found is None:
            progress = LabelMapProgress(step=layouts.step(rows, space), steps=STEPS)
            return Response(progress.to_json(), HTTPStatus.ACCEPTED, {"retry-after": "1"}, JSON)
    content = await run_in_threadpool(maps.map_content, layouts.files, rows, space, projection, found)
    headers = {"etag": f'"{hashlib.sha256(content).hexdigest()[:24]}"', "cache-control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type="application/octet-stream")


async def similar(request: Request) -> Response:
    """Return photos like some, and unlike others."""
    work = await begin(request)
    wanted = await read_body(request, SimilarRequest, most=MAX_BODY)
    space = work.space(wanted.space)
    return await as_json(lambda: suggesting.similar(work.rows, space, wanted))


async def separate(request: Request) -> Response:
    """Return the map on which labels lie apart."""
    work = await begin(request)
    wanted = await read_body(request, SeparationRequest)
    spaces = work.spaces if wanted.space is None else (work.space(wanted.space),)
    return await as_json(lambda: separating.separation(work.rows, spaces, wanted.labels))


async def rank(request: Request) -> Response:
    """Return the ranking of the spaces, and begin a new one if there are more labels."""
    work = await begin(request)
    computing, known = work.rank(), work.learner.ranking
    found = SpaceRanking(
        best=work.learner.best.name,
        ranking=[SpaceLoss(space=score.space, log_loss=round(score.log_loss, 4)) for score in known.scores],
        labelled=known.labelled,
        computing=computing,
    )
    return Response(found.to_json(), media_type=JSON)


async def predict(request: Request) -> Response:
    """Return the predictions of the classifier that knows the labels of now."""
    work = await begin(request)
    trained = await work.trained(work.space(request.query_params.get("space")))
    return await as_json(lambda: suggesting.predictions(trained))


async def suggest(request: Request) -> Response:
    """Return what to label next."""
    work = await begin(request)
    wanted = await read_body(request, SuggestionRequest)
    space = work.space(wanted.space)
    trained = await work.trained(space)
    typical = await work.learner.typical(trained.rows, space, work.labelling.worker)
    return await as_json(lambda: suggesting.suggestions(work.opened.project, trained, typical, wanted.count))


async def check(request: Request) -> Response:
    """Return all that deserves a second look."""
    work = await begin(request)
    rows, worker = work.rows, work.labelling.worker
    space = work.space(request.query_params.get("space"))
    photos, components = await run_in_threadpool(checks.labelled_rows, rows, space)
    doubts = await work.learner.once(
        (key_of(rows), space), lambda: worker.run(checks.doubts, components, rows.labels[photos])
    )
    typical = await work.learner.typical(rows, space, worker, ODD_NEIGHBOURS)
    return await as_json(lambda: checks.checks(work.opened.project, rows, space, photos, doubts, typical))


async def agreement(request: Request) -> Response:
    """Return the agreement of people on photos that two of them have labelled."""
    opened = await labelling_of(request).open(request)
    who = client_of(request)
    return await as_json(lambda: checks.agreement(opened.project, who))


async def second_opinion(request: Request) -> Response:
    """Store a second opinion if there is one, and return the next photo for this client."""
    opened = await labelling_of(request).open(request)
    who, given = client_of(request), await read_body(request, SecondOpinion)

    def run() -> LabelAnswer:
        if given.photo is not None and given.label is not None:
            checks.give_opinion(opened.project, who, given.photo, given.label)
            opened.news.publish_saved()
        return checks.next_opinion(opened.project, who)

    return await as_json(run)


async def look_at_audit(request: Request) -> Response:
    """Return the state of the audit, with the figure if somebody has seen it before."""
    return await _audit(await begin(request), request.query_params.get("space"))


async def look_at_figure(request: Request) -> Response:
    """Return the state of the audit with its figure, and count that somebody has seen it."""
    return await _audit(await begin(request), request.query_params.get("space"), look=True)


async def answer_audit(request: Request) -> Response:
    """Store a blind answer."""
    work = await begin(request)
    given = await read_body(request, AuditAnswer)
    who = client_of(request)

    def save() -> None:
        audits.answer(work.opened.project, who, given.photo, given.label)
        work.opened.news.publish_saved()

    await run_in_threadpool(save)
    return await _audit(work, None)


async def next_of_audit(request: Request) -> Response:
    """Return the next photo of the audit, without prediction and labels."""
    opened = await labelling_of(request).open(request)
    return await as_json(lambda: audits.next_photo(opened.project))


async def draw_audit(request: Request) -> Response:
    """Hold back other photos, and give those of the audit back."""
    opened = await labelling_of(request).open(request)

    def draw() -> None:
        opened.project.audits.draw_fresh()
        opened.news.publish_saved()

    await run_in_threadpool(draw)
    return await _audit(await begin(request), None)


async def _audit(work: Work, space: str | None, *, look: bool = False) -> Response:
    trained = await work.trained(work.space(space))
    return await as_json(lambda: audits.audit_state(work.opened.project, trained, work.learner.models, look=look))
