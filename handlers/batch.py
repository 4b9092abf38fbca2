"""Answer a batch of HTTP requests, each independently of the others; every model's worker uses it.

An exception must not fail all requests of a batch. `answer_batch` parses each request on its own, runs the valid ones
together, and gives each its own status and body.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from handlers.http import Request, Response
from handlers.safeguards.memory import is_memory_error
from handlers.safeguards.safeguards import Safeguards
from handlers.telemetry.recorder import Telemetry
from runtime.clock import Clock
from schemas.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

MAX_BODY = 10_000_000  # bytes; TorchServe's front end kills a worker that sends more than max_response_size
JSON, PROBLEM_JSON = "application/json", "application/problem+json"

Parsed = TypeVar("Parsed")


class Answer(Protocol):
    """An answer that can serialize itself."""

    def to_json(self) -> bytes:
        """Return the body of the response."""
        ...


class AnsweredBatch(NamedTuple):
    """Responses to the requests of a batch.

    Attributes:
        responses: one for each request, in order.
        finish: records the batch; to be called after the responses have been sent, so that no client waits for it.
    """

    responses: Sequence[Response]
    finish: Callable[[], None]


def answer_batch(
    requests: Sequence[Request],
    *,
    parse: Callable[[Request], Parsed],
    run: Callable[[Sequence[Parsed]], Sequence[Answer | Problem]],
    telemetry: Telemetry | None = None,
    safeguards: Safeguards | None = None,
    pool: Executor | None = None,
) -> AnsweredBatch:
    """Answer each request of a batch, independently of the others.

    Args:
        requests: the requests.
        parse: function that parses one request; it raises `ProblemError` if the client is at fault.
        run: function that answers all valid requests together, in order.
        telemetry: recorder of the batch.
        safeguards: safeguards of the worker.
        pool: threads that answer each request alone; ``parse`` and ``run`` can be called by several at a time.

    Returns:
        The responses. An invalid request gets its problem. If ``run`` fails, each request runs alone, so that only
        requests that fail alone get a 500. Its problem has an id, under which the log has the cause. If the worker is
        broken, the requests get a 503 that the gateway may retry, and the worker ends after it has sent them.
    """
    clock = telemetry.clock if telemetry else Clock()
    clock.start()
    if telemetry:
        telemetry.begin(requests)
    batch = _Batch(requests, parse, run, clock, safeguards, pool)
    if safeguards is None:
        batch.answer(range(len(requests)))
    else:
        for indices, problem in safeguards.in_turn(requests):
            if problem is None:
                batch.answer(indices)
            else:
                batch.outcomes.update(dict.fromkeys(indices, problem))
        batch.check_worker()
    outcomes = [batch.serialize(index) for index in range(len(requests))]
    responses = [
        Response(outcome.status, PROBLEM_JSON, body, outcome.status == HTTPStatus.INTERNAL_SERVER_ERROR)
        if isinstance(outcome, Problem)
        else Response(HTTPStatus.OK, JSON, body)
        for outcome, body in outcomes
    ]
    clock.lap("encode")
    end = time.time()
    return AnsweredBatch(responses, partial(_finish, requests, outcomes, telemetry, safeguards, end))


def _finish(
    requests: Sequence[Request],
    outcomes: Sequence[tuple[Any, bytes]],
    telemetry: Telemetry | None,
    safeguards: Safeguards | None,
    end: float,
) -> None:
    if telemetry:
        telemetry.record(requests, outcomes, end)
    if safeguards and safeguards.faults.broken:
        safeguards.end()


class _Batch(Generic[Parsed]):
    """The requests of a batch and their outcomes.

    Attributes:
        outcomes: answer or problem of each request that was computed or rejected, by index.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        parse: Callable[[Request], Parsed],
        run: Callable[[Sequence[Parsed]], Sequence[Answer | Problem]],
        clock: Clock,
        safeguards: Safeguards | None,
        pool: Executor | None,
    ) -> None:
        self.outcomes: dict[int, Answer | Problem] = {}
        self._requests, self._parse, self._run_model = requests, parse, run
        self._clock, self._safeguards, self._pool = clock, safeguards, pool
        self._valid: set[int] = set()  # indices of the requests that were parsed
        self._failed: list[int] = []  # hashes of the requests that failed with an internal error

    def answer(self, indices: Sequence[int]) -> None:
        """Parse some requests and run the valid ones together, or each on a thread of the pool."""
        if self._pool is None:
            self._answer_together(indices)
        else:
            for _ in self._pool.map(self._answer_together, [[index] for index in indices]):
                pass

    def _answer_together(self, indices: Sequence[int]) -> None:
        parsed: dict[int, Parsed] = {}
        for index in indices:
            try:
                parsed[index] = self._parse(self._requests[index])
            except ProblemError as error:
                self.outcomes[index] = error.problem
            except Exception as error:
                self.outcomes[index] = self._failure(error, index)
        self._clock.lap("parse")
        if parsed:
            self._valid.update(parsed)
            self._run(parsed)

    def _run(self, requests: Mapping[int, Parsed]) -> None:
        """Run requests together, or each alone if they fail together."""
        try:
            outcomes = self._run_model(list(requests.values()))
            if len(outcomes) != len(requests):
                raise RuntimeError(f"the model returned {len(outcomes)} answers to {len(requests)} requests")
            self.outcomes.update(zip(requests, outcomes, strict=True))
            return
        except ProblemError as error:
            if len(requests) == 1:
                self.outcomes.update(dict.fromkeys(requests, error.problem))
                return
        except Exception as error:
            if self._safeguards and self._safeguards.faults.is_device_fault(error):
                logger.exception("the device fails", extra={"request_id": self._requests[next(iter(requests))].id})
                self._safeguards.break_worker(f"its device fails: {error}")
                self.outcomes.update(dict.fromkeys(requests, _unavailable()))
                return
            if len(requests) == 1:
                (index,) = requests
                problem = self.outcomes[index] = self._failure(error, index)
                if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:  # a request that takes too much memory has a 413
                    self._failed.append(hash(repr(self._requests[index].fields)))
                return
            logger.warning("a batch of %d requests failed; each request runs alone now", len(requests))
        for index, request in requests.items():
            if self._safeguards and self._safeguards.faults.broken:
                self.outcomes[index] = _unavailable()
            else:
                self._run({index: request})

    def check_worker(self) -> None:
        """Break the worker if no request of some batches could be computed; then Envoy may retry these requests."""
        assert self._safeguards
        faults = self._safeguards.faults
        faults.count(n_run=len(self._valid), failed=self._failed)
        if faults.broken:
            self._safeguards.break_worker(faults.broken)
            for index, outcome in self.outcomes.items():
                if isinstance(outcome, Problem) and outcome.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                    self.outcomes[index] = _unavailable()

    def serialize(self, index: int) -> tuple[Answer | Problem, bytes]:
        """Return an outcome and its body, or a problem in its place if the outcome cannot be serialized or sent."""
        outcome = self.outcomes[index]
        try:
            body = outcome.to_json()
            if len(body) <= MAX_BODY:
                return outcome, body
            detail = f"the answer would have {len(body):,} bytes, more than {MAX_BODY:,}; ask for less at a time"
            problem = Problem.of("invalid-request", detail)
        except Exception as error:
            problem = self._failure(error, index)
        return problem, problem.to_json()

    def _failure(self, error: Exception, index: int) -> Problem:
        """Return the problem for the exception that is handled.

        It is a 413 if the request takes too much memory. Otherwise it is a 500: the client gets an id, and the log has
        the cause under this id.
        """
        if is_memory_error(error):
            logger.warning("a request was rejected, because the worker's memory for it was used up: %s", error)
            if self._safeguards and not self._safeguards.has_recovered():
                self._safeguards.break_worker("its memory is full and can't be freed")
            return Problem.of(
                "too-large", "the request takes more memory than a worker may use; ask for less at a time"
            )
        ids = {"error_id": uuid.uuid4().hex[:12], "request_id": self._requests[index].id}
        logger.exception("internal error %s", ids["error_id"], extra=ids)
        detail = f"an unexpected error; the server's log has its cause under the id {ids['error_id']}"
        return Problem.of("internal-error", detail).model_copy(update=ids)


def _unavailable() -> Problem:
    return Problem.of("unavailable", "the worker failed and is being replaced; send the request again")
