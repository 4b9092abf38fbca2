"""Contexts that TorchServe or `handlers.protocol.Batch` pass to a handler."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol


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

    def get_request_headers(self, key: str) -> Sequence[bytes | None]:
        """Return the value of one header in each request, as bytes; None where it is missing."""
        ...

    def defer(self, call: Callable[[], None]) -> None:
        """Call a function after the responses have been sent."""
        ...
