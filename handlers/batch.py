"""Answer a batch of HTTP requests, each independently of the others; every model's handler uses it.

TorchServe passes several requests to a handler at once, and an exception fails all of them. `answer_batch` parses each
request on its own, runs the valid ones together, and gives each its own status and body.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, overload

from handlers.context import BatchContext, RequestContext, request_id
from handlers.safeguards.memory import is_memory_error
from handlers.safeguards.safeguards import Safeguards
from handlers.telemetry.recorder import Telemetry
from runtime.clock import Clock
from schemas.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

# Header that tells Envoy not to retry: a request that failed on its own would fail again, with a traceback each time. A
# worker that dies cannot send it, and one that is broken does not, so Envoy retries their requests.
NO_RETRY = ("x-envoy-ratelimited", "true")
MAX_BODY = 10_000_000  # bytes; TorchServe's front end kills a worker that sends more than max_response_size

Request = TypeVar("Request")


class Answer(Protocol):
    """An answer that can serialize itself."""

    def to_json(self) -> bytes:
        """Return the body of the response."""
        ...


class HttpRequest(NamedTuple):
    """An HTTP request as TorchServe passes it to a handler.

    Attributes:
        fields: the ``body``, or the fields of the form or of the query string, by name.
        context: context of its batch.
        position: index in its batch.
    """

    fields: Mapping[str, Any]
    context: RequestContext
    position: int

    @property
    def headers(self) -> Mapping[str, Any]:
        """Return the headers, spelt as the client did."""
        return self.context.get_all_request_header(self.position)

    @property
    def explain(self) -> bool:
        """Return True for a request to ``/explanations``: TorchServe sets a header, which clients cannot set."""
        return self.context.get_request_header(self.position, "explain") == "True"

    def body(self) -> Any:
        """Return the body: bytes, or parsed JSON if TorchServe is configured to parse it.

        Raises:
            ProblemError: if there is none.
        """
        body = self.fields.get("body", self.fields.get("data"))
        if isinstance(body, str):  # TorchServe decodes text/plain
            body = body.encode()
        if body is None or body == b"":
            # The request has only a form or a query string. An unpatched TorchServe also parses the body that curl -d
            # sends without a content type as a form.
            raise _malformed("the request has no JSON body; POST it with the header Content-Type: application/json")
        return body


@overload
def answer_batch(
    data: Sequence[Mapping[str, Any]],
    context: RequestContext,
    *,
    parse: Callable[[HttpRequest], Request],
    run: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
    telemetry: None = None,
    safeguards: None = None,
) -> list[bytes]: ...


@overload
def answer_batch(
    data: Sequence[Mapping[str, Any]],
    context: BatchContext,
    *,
    parse: Callable[[HttpRequest], Request],
    run: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
    telemetry: Telemetry | None,
    safeguards: Safeguards | None = None,
) -> list[bytes]: ...


def answer_batch(
    data: Sequence[Mapping[str, Any]],
    context: Any,
    *,
    parse: Callable[[HttpRequest], Request],
    run: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
    telemetry: Telemetry | None = None,
    safeguards: Safeguards | None = None,
) -> list[bytes]:
    """Answer each request of a batch, independently of the others.

    Args:
        data: fields of each request, as TorchServe passes them.
        context: context of the batch; it receives the status and content type of each response.
        parse: function that parses one request; it raises `ProblemError` if the client is at fault.
        run: function that answers all valid requests together, in order.
        telemetry: recorder of the batch. It records after the responses have been sent, so that no client waits for it.
        safeguards: safeguards of the worker; they need a context whose calls can be deferred.

    Returns:
        The body of each response. An invalid request gets its problem. If ``run`` fails, each request runs alone, so
        that only requests that fail alone get a 500. Its problem has an id, under which the log has the cause. If the
        worker is broken, the requests get a 503 that Envoy may retry, and the worker ends after it has sent them.
    """
    clock = telemetry.clock if telemetry else Clock()
    clock.start()
    if telemetry:
        telemetry.begin(context)
    batch = _Batch(data, context, parse, run, clock, safeguards)
    if safeguards is None:
        batch.answer(range(len(data)))
    else:
        for indices, problem in safeguards.in_turn(data, context):
            if problem is None:
                batch.answer(indices)
            else:
                batch.outcomes.update(dict.fromkeys(indices, problem))
        batch.check_worker()
    responses = [batch.serialize(index) for index in range(len(data))]
    problems = dict[int, Problem]()
    for index, (outcome, _) in enumerate(responses):
        if isinstance(outcome, Problem):
            problems[index] = outcome
            # Without a reason phrase: TorchServe announces its length in characters and sends bytes.
            context.set_response_status(outcome.status, idx=index)
            context.set_response_content_type(index, "application/problem+json")
            if outcome.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                context.set_response_header(index, *NO_RETRY)
        else:
            context.set_response_content_type(index, "application/json")
    clock.lap("encode")
    if telemetry:
        context.defer(partial(telemetry.record, context, data, responses, problems, time.time()))
    if safeguards and safeguards.faults.broken:
        context.defer(safeguards.end)
    return [body for _, body in responses]


class _Batch(Generic[Request]):
    """The requests of a batch and their outcomes.

    Attributes:
        outcomes: answer or problem of each request that was computed or rejected, by index.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        context: RequestContext,
        parse: Callable[[HttpRequest], Request],
        run: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
        clock: Clock,
        safeguards: Safeguards | None,
    ) -> None:
        self.outcomes: dict[int, Answer | Problem] = {}
        self._data, self._context, self._parse, self._run_model = data, context, parse, run
        self._clock, self._safeguards = clock, safeguards
        self._n_run = 0
        self._failed: list[int] = []  # hashes of the requests that failed with an internal error

    def answer(self, indices: Sequence[int]) -> None:
        """Parse some requests and run the valid ones together."""
        requests: dict[int, Request] = {}
        for index in indices:
            try:
                requests[index] = self._parse(HttpRequest(self._data[index], self._context, index))
            except ProblemError as error:
                self.outcomes[index] = error.problem
            except Exception as error:
                self.outcomes[index] = self._failure(error, index)
        self._clock.lap("parse")
        if requests:
            self._n_run += len(requests)
            self._run(requests)

    def _run(self, requests: Mapping[int, Request]) -> None:
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
                logger.exception(
                    "the device fails", extra={"request_id": request_id(self._context, next(iter(requests)))}
                )
                self._safeguards.break_worker(f"its device fails: {error}")
                self.outcomes.update(dict.fromkeys(requests, _unavailable()))
                return
            if len(requests) == 1:
                (index,) = requests
                problem = self.outcomes[index] = self._failure(error, index)
                if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:  # a request that takes too much memory has a 413
                    self._failed.append(hash(repr(self._data[index])))
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
        faults.count(n_run=self._n_run, failed=self._failed)
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
        ids = {"error_id": uuid.uuid4().hex[:12], "request_id": request_id(self._context, index)}
        logger.exception("internal error %s", ids["error_id"], extra=ids)
        detail = f"an unexpected error; the server's log has its cause under the id {ids['error_id']}"
        return Problem.of("internal-error", detail).model_copy(update=ids)


def _unavailable() -> Problem:
    return Problem.of("unavailable", "the worker failed and is being replaced; send the request again")


def _malformed(detail: str) -> ProblemError:
    return ProblemError(Problem.of("malformed-request", detail))
