"""Exceptions of the package.

::

    UserError(ValueError)  the caller can correct it; the message names the fault and the remedy
    ├── RequestError       the request has no answer: an unknown store, a damaged photo, a wrong field
    ├── BundleError        the folder is not a bundle, or is damaged, or has an unknown format or kind
    ├── DeviceError        the device does not exist
    └── SessionError       onnxruntime cannot run the network on the device

A path that cannot be opened raises Python's own `OSError`, wrong arguments raise `TypeError`.
"""

from typing import cast

from runtime.bundle import BundleError
from runtime.device import DeviceError
from runtime.errors import UserError
from runtime.session import SessionError
from schemas.problem_kinds import PROBLEM_KINDS, ProblemName
from schemas.problems import FieldError, Problem

__all__ = ["BundleError", "DeviceError", "RequestError", "SessionError", "UserError"]


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
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

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
        return PROBLEM_KINDS[cast(ProblemName, self.kind)].remedy
