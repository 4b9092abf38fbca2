"""A batch of HTTP requests in, as many answers out: what every model's handler shares.

TorchServe hands a handler several requests at once and knows one outcome for all of them: an exception fails every
request of the batch. Here each request is read on its own, the good ones run as one batch, and each gets its own
status and body.
"""

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol, TypeVar

from handlers.context import Context
from handlers.telemetry.recorder import Telemetry
from runtime.clock import Clock
from schemas.problems import Problem, ProblemError

logger = logging.getLogger(__name__)

# Says to the front door that an answer is final: what failed by itself would fail again, with a traceback each time. A
# worker that dies can't say it, and its requests are asked again.
FINAL = ("x-envoy-ratelimited", "true")
MAX_ANSWER = 10_000_000  # bytes; TorchServe's front end kills the worker that sends more than max_response_size

Request = TypeVar("Request")


class Reply(Protocol):
    """An answer that can write itself."""

    def to_json(self) -> bytes:
        """The body that the client gets."""
        ...


class Sent(NamedTuple):
    """One HTTP request as TorchServe hands it over.

    Attributes:
        fields: the ``body``, or the form's or the query's fields by name.
        context: of its batch.
        place: its place in the batch.
    """

    fields: Mapping[str, Any]
    context: Context
    place: int

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers, as the client spelt them."""
        return self.context.get_all_request_header(self.place)

    @property
    def explain(self) -> bool:
        """Whether it was sent to ``/explanations``: TorchServe says so in a header, which no client may set."""
        return self.context.get_request_header(self.place, "explain") == "True"

    def body(self) -> Any:
        """The body: bytes, or parsed JSON from a TorchServe that was left to parse it.

        Raises:
            ProblemError: if there is none.
        """
        body = self.fields.get("body", self.fields.get("data"))
        if isinstance(body, str):  # what TorchServe makes of text/plain
            body = body.encode()
        if body is None or body == b"":
            # A form or a query and nothing else; where TorchServe is not patched, also what curl -d sends without a
            # content type.
            raise _malformed("the request has no JSON body; POST it with the header Content-Type: application/json")
        return body


def answer_batch(
    data: Sequence[Mapping[str, Any]],
    context: Context,
    *,
    parse: Callable[[Sent], Request],
    run: Callable[[Sequence[Request]], Sequence[Reply | Problem]],
    telemetry: Telemetry | None = None,
) -> list[bytes]:
    """Answer each request of a batch, whatever the others are.

    Args:
        data: the requests' fields, as TorchServe gives them.
        context: gets each request's status and content type.
        parse: reads one request; raises `ProblemError` if the client is at fault.
        run: answers all requests that could be read, in their order, in one go.
        telemetry: is given the batch to tell of when its answers are sent, so that no client waits for it.

    Returns:
        A body for each request. A request that could not be read gets its problem. If ``run`` fails, each request is
        run alone, so that only those that fail alone get a 500; its id is in the log, with the cause.
    """
    clock = telemetry.clock if telemetry else Clock()
    clock.start()
    if telemetry:
        telemetry.begin(context)
    outcomes: dict[int, Reply | Problem] = {}
    requests: dict[int, Request] = {}
    for place, fields in enumerate(data):
        try:
            requests[place] = parse(Sent(fields, context, place))
        except ProblemError as error:
            outcomes[place] = error.problem
        except Exception:
            outcomes[place] = _internal_error()
    clock.lap("parse")
    outcomes.update(zip(requests, _run(run, list(requests.values())), strict=True))
    written = [_written(outcomes[place]) for place in range(len(data))]
    problems = []
    for place, (outcome, _) in enumerate(written):
        if isinstance(outcome, Problem):
            problems.append(outcome)
            # The reason phrase is left to TorchServe: it counts characters where it sends bytes.
            context.set_response_status(outcome.status, idx=place)
            context.set_response_content_type(place, "application/problem+json")
            if outcome.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                context.set_response_header(place, *FINAL)
        else:
            context.set_response_content_type(place, "application/json")
    clock.lap("encode")
    if telemetry:
        context.after(partial(telemetry.note, context, data, written, problems, time.time()))
    return [body for _, body in written]


def _run(
    run: Callable[[Sequence[Request]], Sequence[Reply | Problem]], requests: Sequence[Request]
) -> Sequence[Reply | Problem]:
    if not requests:
        return []
    try:
        outcomes = run(requests)
        if len(outcomes) != len(requests):
            raise RuntimeError(f"the model gave {len(outcomes)} answers to {len(requests)} requests")
        return outcomes
    except ProblemError as error:
        if len(requests) == 1:
            return [error.problem]
    except Exception:
        if len(requests) == 1:
            return [_internal_error()]
        logger.warning("a batch of %d requests failed; each is run alone", len(requests))
    return [outcome for request in requests for outcome in _run(run, [request])]


def _written(outcome: Reply | Problem) -> tuple[Reply | Problem, bytes]:
    """An outcome and its body; a problem in its place if it can't be written or sent."""
    try:
        body = outcome.to_json()
        if len(body) <= MAX_ANSWER:
            return outcome, body
        detail = f"the answer would have {len(body):,} bytes, more than {MAX_ANSWER:,}; ask for less at a time"
        problem = Problem.of("invalid-request", detail)
    except Exception:
        problem = _internal_error()
    return problem, problem.to_json()


def _internal_error() -> Problem:
    """A 500 for the exception being handled: the client gets an id, the log the id and the cause."""
    error_id = uuid.uuid4().hex[:12]
    logger.exception("internal error %s", error_id)
    return Problem.of("internal-error", f"an unexpected error; the server's log has its cause under the id {error_id}")


def _malformed(detail: str) -> ProblemError:
    return ProblemError(Problem.of("malformed-request", detail))
