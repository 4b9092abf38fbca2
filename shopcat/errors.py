"""Exceptions of the package.

::

    UserError(ValueError)  the caller can correct it; the message names the fault and the remedy
    ├── RequestError       the request has no answer: an unknown store, a damaged photo, a wrong field
    ├── ServiceError       the service has no answer: it is overloaded, can't be reached or failed
    ├── BundleError        the folder is not a bundle, or is damaged, or has an unknown format or kind
    ├── DeviceError        the device does not exist
    └── SessionError       onnxruntime cannot run the network on the device

A path that cannot be opened raises Python's own `OSError`, wrong arguments raise `TypeError`.
"""

from functools import partial
from typing import Any, cast

from runtime.bundle import BundleError
from runtime.device import DeviceError
from runtime.errors import SessionError, UserError
from schemas.problem_kinds import PROBLEM_KINDS, ProblemName
from schemas.problems import FieldError, Problem

__all__ = ["BundleError", "DeviceError", "RequestError", "ServiceError", "SessionError", "UserError"]


class RequestError(UserError):
    """The model cannot answer the request; `problem` has the reason.

    ::

        try:
            forecast = model.forecast(store=9999, date="2015-08-01")
        except shopcat.RequestError as error:
            print(error.kind, error.remedy)
            for field in error.errors:
                print(field.path, field.value, field.detail)

    Attributes:
        problem: problem details that the service answers to the same request (RFC 9457).
        request_id: id of the request in the service's logs; None without a service.
    """

    def __init__(self, problem: Problem, request_id: str | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.request_id = problem, request_id

    def __reduce__(self) -> Any:
        """Return how to make the exception again in another process."""
        return type(self), (self.problem, self.request_id)

    @property
    def kind(self) -> str:
        """Return the name of the kind of problem, such as ``unknown-store``."""
        return self.problem.type.rpartition(":")[2]

    @property
    def errors(self) -> list[FieldError]:
        """Return the fields with errors: path, value and allowed values. Empty if no single field is at fault."""
        return self.problem.errors

    @property
    def remedy(self) -> str:
        """Return what to do about this kind of problem."""
        kind = PROBLEM_KINDS.get(cast(ProblemName, self.kind))
        return kind.remedy if kind else self.problem.detail  # a newer service may have other kinds


class ServiceError(UserError):
    """The service gives no answer: it is overloaded, can't be reached or failed. The same request may succeed later.

    A client raises it when it has no retries or no time left.

    Attributes:
        kind: name of the kind of problem, such as ``overloaded``; without a problem from the service ``unreachable``,
            ``timeout`` or ``unexpected-answer``.
        status: HTTP status of the answer; None without an answer.
        problem: problem details from the service; None without them.
        request_id: id of the request in the service's logs.
    """

    def __init__(
        self, message: str, *, kind: str, request_id: str, status: int | None = None, problem: Problem | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.request_id, self.status, self.problem = kind, request_id, status, problem

    def __reduce__(self) -> Any:
        """Return how to make the exception again in another process."""
        make = partial(type(self), kind=self.kind, request_id=self.request_id, status=self.status, problem=self.problem)
        return make, self.args
