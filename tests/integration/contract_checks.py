"""What schemathesis checks of each answer beside its own checks."""

import schemathesis

from tests.leaks import leak


@schemathesis.check
def keeps_to_itself(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A problem says nothing of how the service is made. What the request had in it may come back."""
    if response.status_code >= 400:
        assert leak(response.text) is None, leak(response.text)
