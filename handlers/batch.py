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
from typing import Any, NamedTuple, Protocol, TypeVar, overload

from handlers.context import BatchContext, RequestContext
from handlers.telemetry.recorder import Telemetry
from runtime.clock import Clock
from schemas.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

# Header that tells Envoy not to retry: a request that failed on its own would fail again, with a traceback each time. A
# worker that dies cannot send it, so Envoy retries its requests.
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
) -> list[bytes]: ...


@overload
def answer_batch(
    data: Sequence[Mapping[str, Any]],
    context: BatchContext,
    *,
    parse: Callable[[HttpRequest], Request],
    run: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
    telemetry: Telemetry | None,
) -> list[bytes]: ...


def answer_batch(
    data: Sequence[Mapping[str, Any]],
    context: Any,
    *,
    parse: Callable[[HttpRequest], Request],
    run: Callable[[Sequence[Request]], Sequence[Answer | Problem]],
    telemetry: Telemetry | None = None,
) -> list[bytes]:
    """Answer each request of a batch, independently of the others.

    Args:
        data: fields of each request, as TorchServe passes them.
        context: context of the batch; it receives the status and content type of each response.
        parse: function that parses one request; it raises `ProblemError` if the client is at fault.
        run: function that answers all valid requests together, in order.
        telemetry: recorder of the batch. It records after the responses have been sent, so that no client waits for it.

    Returns:
        The body of each response. An invalid request gets its problem. If ``run`` fails, each request runs alone, so
        that only requests that fail alone get a 500. Its problem has an id, under which the log has the cause.
    """
    clock = telemetry.clock if telemetry else Clock()
    clock.start()
    if telemetry:
        telemetry.begin(context)
    outcomes: dict[int, Answer | Problem] = {}
    requests: dict[int, Request] = {}
    for index, fields in enumerate(data):
        try:
            requests[index] = parse(HttpRequest(fields, context, index))
        except ProblemError as error:
            outcomes[index] = error.problem
        except Exception:
            outcomes[index] = _internal_error()
    clock.lap("parse")
    outcomes.update(zip(requests, _run(run, list(requests.values())), strict=True))
    responses = [_serialize(outcomes[index]) for index in range(len(data))]
    problems = []
    for index, (outcome, _) in enumerate(responses):
        if isinstance(outcome, Problem):
            problems.append(outcome)
            # Without a reason phrase: TorchServe announces its length in characters and sends bytes.
            context.set_response_status(outcome.status, idx=index)
            context.set_response_content_type(index, "application/problem+json")
            if outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                context.set_response_header(index, *NO_RETRY)
        else:
            context.set_response_content_type(index, "application/json")
    clock.lap("encode")
    if telemetry:
        context.defer(partial(telemetry.record, context, data, responses, problems, time.time()))
    return [body for _, body in responses]


def _run(
    run: Callable[[Sequence[Request]], Sequence[Answer | Problem]], requests: Sequence[Request]
) -> Sequence[Answer | Problem]:
    """Run requests together, or each alone if they fail together."""
    if not requests:
        return []
    try:
        outcomes = run(requests)
        if len(outcomes) != len(requests):
            raise RuntimeError(f"the model returned {len(outcomes)} answers to {len(requests)} requests")
        return outcomes
    except ProblemError as error:
        if len(requests) == 1:
            return [error.problem]
    except Exception:
        if len(requests) == 1:
            return [_internal_error()]
        logger.warning("a batch of %d requests failed; each request runs alone now", len(requests))
    return [outcome for request in requests for outcome in _run(run, [request])]


def _serialize(outcome: Answer | Problem) -> tuple[Answer | Problem, bytes]:
    """Return an outcome and its body, or a problem in its place if the outcome cannot be serialized or sent."""
    try:
        body = outcome.to_json()
        if len(body) <= MAX_BODY:
            return outcome, body
        detail = f"the answer would have {len(body):,} bytes, more than {MAX_BODY:,}; ask for less at a time"
        problem = Problem.of("invalid-request", detail)
    except Exception:
        problem = _internal_error()
    return problem, problem.to_json()


def _internal_error() -> Problem:
    """Return a 500 for the current exception. The client gets an id, and the log has the cause under this id."""
    error_id = uuid.uuid4().hex[:12]
    logger.exception("internal error %s", error_id)
    return Problem.of("internal-error", f"an unexpected error; the server's log has its cause under the id {error_id}")


def _malformed(detail: str) -> ProblemError:
    return ProblemError(Problem.of("malformed-request", detail))
