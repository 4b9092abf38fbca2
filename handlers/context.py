"""Contexts that TorchServe or `handlers.protocol.Batch` pass to a handler."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

MAX_ID = 128  # characters of an id that the client chose


class WorkerContext(Protocol):
    """Context of a handler's initialization."""

    @property
    def system_properties(self) -> Mapping[str, Any]:
        """Return properties of the worker: ``model_dir``, the archive's folder, and ``gpu_id``, None on the CPU."""
        ...


class RequestContext(Protocol):
    """Part of TorchServe's own context of a batch; ``idx`` is the index of a request in the batch."""

    def get_request_id(self, idx: int = 0) -> str | None:
        """Return TorchServe's id of a request."""
        ...

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of a request, by its name as the client spelt it."""
        ...

    def get_all_request_header(self, idx: int) -> Mapping[str, Any]:
        """Return the headers of a request."""
        ...

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of a response."""
        ...

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of a response."""
        ...

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set a header of a response, other than its content type."""
        ...


class BatchContext(RequestContext, Protocol):
    """Context of a batch that `handlers.protocol` has read. Telemetry needs it."""

    def get_request_headers(self, *keys: str) -> Sequence[Sequence[bytes | None]]:
        """Return the values of some headers in each request, as bytes; None where one is missing."""
        ...

    def defer(self, call: Callable[[], None]) -> None:
        """Call a function after the responses have been sent."""
        ...


def get_header(context: RequestContext, index: int, name: str) -> str:
    """Return a header of a request, by its name in small letters; empty if it has none.

    Without a gateway, header names are spelt as the client did. A value that is not text belongs to a form field.
    """
    headers = context.get_all_request_header(index).items()
    return next((value for key, value in headers if isinstance(value, str) and key.lower() == name), "")


def request_id(context: RequestContext, index: int) -> str:
    """Return the id of a request: the gateway's or the client's, or else TorchServe's; at most MAX_ID characters."""
    return (get_header(context, index, "x-request-id") or context.get_request_id(index) or "")[:MAX_ID]
