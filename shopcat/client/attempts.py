"""Attempts at one request: their time limit, the outcomes that are retried, and the waiting between them."""

import email.utils
import json
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx

from schemas.problems import Problem
from shopcat.client.messages import Body
from shopcat.errors import RequestError, ServiceError, UserError

CONNECT_S = 5.0  # seconds that a connection may take
FIRST_WAIT_S = 0.25  # longest wait before the first retry; doubled before each further one
LONGEST_WAIT_S = 8.0
_JITTER = 0.25  # share of Retry-After that is added at random, so that clients do not come back at the same time
_RETRIED = (429, 502, 503)  # 502 comes from other gateways in front of the service
_TEXT = 200  # characters of an unexpected answer that a message repeats


class Wait(NamedTuple):
    """Time until the next attempt."""

    seconds: float


class Reply(NamedTuple):
    """Answer of the service as HTTP has it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Settings:
    """Settings of a client.

    Attributes:
        base_url: address of the service.
        api_key: API key, if the service needs one.
        timeout: seconds for one request with its retries.
        retries: largest number of retries of one request.
    """

    base_url: str
    api_key: str | None = field(repr=False)
    timeout: float
    retries: int

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except (httpx.InvalidURL, TypeError) as error:
            raise UserError(f"base_url {self.base_url!r} is no address: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise UserError(f"base_url {self.base_url!r} is no address such as http://127.0.0.1:8080")
        if self.api_key is not None and not (self.api_key and self.api_key.isascii() and self.api_key.isprintable()):
            raise UserError("api_key is empty or has characters that a header can't have; send ASCII without spaces")
        if not self.timeout > 0:
            raise UserError(f"timeout is {self.timeout!r} and must be a number of seconds above 0")
        if self.retries < 0:
            raise UserError(f"retries is {self.retries!r} and must be 0 or more")

    def url(self, path: str) -> str:
        """Return the URL of a path of the service."""
        return self.base_url.rstrip("/") + path


class Attempts:
    """State of one request over its attempts.

    Attributes:
        headers: headers of every attempt; all have the same ``x-request-id``.
        deadline: time of `time.monotonic` after which no attempt goes on.
    """

    def __init__(self, settings: Settings, content_type: str) -> None:
        self._settings, self._made = settings, 0
        self._request_id = str(uuid.uuid4())
        self.deadline = time.monotonic() + settings.timeout
        self.headers = {"Content-Type": content_type, "x-request-id": self._request_id}
        if settings.api_key is not None:
            self.headers["X-API-Key"] = settings.api_key

    def timeout(self) -> httpx.Timeout:
        """Return the time-outs of the next attempt."""
        left = max(self.deadline - time.monotonic(), 0.001)
        return httpx.Timeout(left, connect=min(left, CONNECT_S))

    def answer(self, outcome: Reply | httpx.RequestError) -> Body | Wait:
        """Return the body of a good answer, or the time to wait before the next attempt.

        Args:
            outcome: the reply, or the error without one.

        Raises:
            RequestError: if the request is at fault.
            ServiceError: if the service is at fault and no retry or no time is left.
        """
        self._made += 1
        if isinstance(outcome, Reply) and outcome.status == 200:
            return Body(outcome.body, self._request_id)
        error = self._error(outcome)
        if isinstance(outcome, Reply):
            if outcome.status not in _RETRIED:
                raise error
            wait = self._wait(outcome.headers.get("retry-after"))
        else:
            # A request changes nothing, so that one whose connection broke can be sent again.
            if isinstance(outcome, httpx.UnsupportedProtocol | httpx.LocalProtocolError | httpx.DecodingError):
                raise error from outcome
            wait = self._wait(None)
        if self._made > self._settings.retries or time.monotonic() + wait >= self.deadline:
            raise error from (outcome if isinstance(outcome, Exception) else None)
        return Wait(wait)

    def _wait(self, retry_after: str | None) -> float:
        """Return the seconds to wait before the next attempt, with jitter."""
        seconds = _seconds(retry_after)
        if seconds is not None:
            return seconds * random.uniform(1, 1 + _JITTER)  # noqa: S311 - not for secrets
        longest = min(FIRST_WAIT_S * 2 ** (self._made - 1), LONGEST_WAIT_S)
        return random.uniform(0, longest)  # noqa: S311 - not for secrets

    def _error(self, outcome: Reply | httpx.RequestError) -> RequestError | ServiceError:
        """Return the exception for an outcome that is no good answer."""
        attempts = "one attempt" if self._made == 1 else f"{self._made} attempts"
        where, request_id = self._settings.base_url, self._request_id
        if isinstance(outcome, httpx.TimeoutException) and not isinstance(outcome, httpx.ConnectTimeout):
            seconds = f"{self._settings.timeout:g} s"
            message = f"{where} did not answer within {seconds} ({attempts}); ask for less, or raise the timeout"
            return ServiceError(message, kind="timeout", request_id=request_id)
        if not isinstance(outcome, Reply):
            message = (
                f"{where} can't be reached ({attempts}): {outcome or type(outcome).__name__}; "
                "start the service, or correct base_url"
            )
            return ServiceError(message, kind="unreachable", request_id=request_id)
        request_id = outcome.headers.get("x-request-id", request_id)
        problem = _problem(outcome)
        if problem is None:
            text = " ".join(outcome.body[:_TEXT].decode(errors="replace").split())
            message = f"{where} answered {outcome.status} without a problem of Shopcat ({attempts}): {text}"
            return ServiceError(message, kind="unexpected-answer", request_id=request_id, status=outcome.status)
        if outcome.status < 500 and outcome.status != 429:
            return RequestError(problem, request_id)
        kind = problem.type.rpartition(":")[2]
        message = f"{problem.detail} ({attempts}; request {request_id})"
        return ServiceError(message, kind=kind, request_id=request_id, status=outcome.status, problem=problem)


def _problem(reply: Reply) -> Problem | None:
    """Return the problem of a reply, or None if it has none. Fields that came later are left out."""
    try:
        content = json.loads(reply.body)
        return Problem.model_validate({name: content[name] for name in Problem.model_fields if name in content})
    except (ValueError, TypeError):
        return None


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After header, a number or a date; None if there is no valid one.

    >>> _seconds("2"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT"), _seconds("soon")
    (2.0, 0.0, None)
    """
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
