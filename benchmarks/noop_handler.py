"""A handler that does nothing: what TorchServe itself takes of a request's time. See serving.py."""

import logging
from typing import Any

ANSWER = (
    b'{"store":1,"date":"2015-08-01","sales":5263.94,"assumed":[],"warnings":[],'
    b'"model":"sales","version":"20150731-0123abcd","cutoff":"2015-07-31"}'
)


class NoopHandler:
    """Answers every request with the same bytes, under the settings of the real handler."""

    def initialize(self, context: Any) -> None:
        """Make TorchServe as quiet as the real handler does."""
        logging.getLogger().setLevel(logging.WARNING)

    def handle(self, data: list[Any], context: Any) -> list[bytes]:
        """Answer a batch."""
        for place in range(len(data)):
            context.set_response_content_type(place, "application/json")
        return [ANSWER] * len(data)
