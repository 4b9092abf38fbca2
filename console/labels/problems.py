"""Errors of projects as problems. Their messages name paths of the server's disk, which no client needs."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from console.labels.opened.worker import SlowWorkerError
from console.labels.out.job import JobError
from console.labels.out.serving import NotSupportedError
from console.labels.service import StaleError, WorkerError, labelling_of
from console.problems import problem_response
from labelling.photos.decoding import CRASH
from labelling.projects.errors import ArchivedError, BrokenPhotoError, FullError, ProjectError, UnknownError
from labelling.projects.exchange.export import ExportError
from runtime.bundle import BundleError
from schemas.problem_kinds import PROBLEM_KINDS, ProblemName
from schemas.problems import Problem, invalid_field

logger = logging.getLogger(__name__)

_FIELD = re.compile(r"([a-z][a-z0-9_]*): (.+)", re.DOTALL)
_KINDS: Mapping[type[Exception], ProblemName] = {
    UnknownError: "not-found",
    ArchivedError: "conflict",
    FullError: "storage-full",
    StaleError: "conflict",
    SlowWorkerError: "timeout",
    WorkerError: "fatal-request",
    ExportError: "not-ready",
    BundleError: "not-ready",
    JobError: "conflict",
    NotSupportedError: "not-supported",
}


def problem_of(request: Request, raised: Exception) -> Problem:
    """Return the problem for an error of a project or a worker."""
    text = without_paths(request, str(raised))
    if isinstance(raised, BrokenPhotoError):
        kind = "fatal-request" if raised.kind == CRASH else raised.kind
        return Problem.of(cast("ProblemName", kind) if kind in PROBLEM_KINDS else "not-found", text)
    for known, name in _KINDS.items():
        if isinstance(raised, known):
            return Problem.of(name, text)
    if (field := _FIELD.fullmatch(text)) is not None:
        return invalid_field(field[1], detail=field[2]).problem
    logger.error("%s %s: %s", request.method, request.url.path, raised)
    return Problem.of("unusable-project", text)


def without_paths(request: Request, text: str) -> str:
    """Return a message without the path of the projects on the server's disk."""
    folder = labelling_of(request).store.folder
    return text.replace(f"{folder}/", "").replace(str(folder), "the folder of the projects")


def _answer(request: Request, raised: Exception) -> Response:
    return problem_response(problem_of(request, raised))


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Response]] = dict.fromkeys(
    (ProjectError, StaleError, WorkerError, JobError, NotSupportedError, BundleError), _answer
)
