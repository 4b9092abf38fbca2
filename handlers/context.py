"""What handlers use of TorchServe's context. `protocol.Batch` has the same for a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol


class WorkerContext(Protocol):
    """What a handler is initialized with."""

    @property
    def system_properties(self) -> Mapping[str, Any]:
        """The worker's: the archive's folder is ``model_dir``, its GPU, if it has one, ``gpu_id``."""
        ...


class Context(Protocol):
    """A batch's; ``idx`` is a request's place in it."""

    def get_request_id(self, idx: int = 0) -> str | None:
        """TorchServe's name of a request."""
        ...

    def get_request_header(self, idx: int, key: str) -> str | None:
        """A header of a request, by its name as the client spelt it."""
        ...

    def get_request_headers(self, key: str) -> Sequence[bytes | None]:
        """A header of each request, as it came. TorchServe's own context has no such thing."""
        ...

    def get_all_request_header(self, idx: int) -> Mapping[str, Any]:
        """The headers of a request."""
        ...

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the HTTP status of an answer."""
        ...

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the content type of an answer."""
        ...

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Set another header of an answer."""
        ...

    def after(self, work: Callable[[], None]) -> None:
        """Leave something for when the answers are sent. TorchServe's own context has no such thing."""
        ...
