"""Additional checks of schemathesis for each answer."""

import schemathesis

from tests.leaks import leak


@schemathesis.check
def reveals_nothing_internal(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A problem reveals nothing about the service's internals. It may repeat parts of the request."""
    if response.status_code >= 400:
        assert leak(response.text) is None, leak(response.text)
