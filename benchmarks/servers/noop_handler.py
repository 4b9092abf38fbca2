"""A TorchServe handler that does nothing, to measure the time that TorchServe itself takes for a request."""

import logging
from typing import Any

ANSWER = (
    b'{"store":1,"date":"2015-08-01","sales":5263.94,"assumed":[],"warnings":[],'
    b'"model":"sales","version":"20150731-0123abcd","cutoff":"2015-07-31"}'
)


class NoopHandler:
    """Answer every request with the same bytes, under the settings of the real handler."""

    def initialize(self, context: Any) -> None:
        """Make TorchServe as quiet as the real handler does."""
        logging.getLogger().setLevel(logging.WARNING)

    def handle(self, data: list[Any], context: Any) -> list[bytes]:
        """Answer a batch."""
        for request_index in range(len(data)):
            context.set_response_content_type(request_index, "application/json")
        return [ANSWER] * len(data)
