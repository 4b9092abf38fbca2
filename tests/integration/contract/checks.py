"""Additional checks of schemathesis for each answer."""

import schemathesis

from schemas.openapi import openapi
from schemas.problem_kinds import PROBLEM_KINDS, type_uri
from tests.leaks import leak

CONTRACT = openapi()
STATUSES = {type_uri(name): kind.status for name, kind in PROBLEM_KINDS.items()}


@schemathesis.check
def reveals_nothing_internal(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A problem reveals nothing about the service's internals. It may repeat parts of the request."""
    if response.status_code >= 400:
        assert leak(response.text) is None, leak(response.text)


@schemathesis.check
def has_a_problem_of_the_address(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A problem is one that the contract lists for the address and the status."""
    has_body = case.operation.method.lower() != "head"
    if has_body and response.status_code >= 400 and response.headers["content-type"][0] == "application/problem+json":
        problem = response.json()
        method = case.operation.method.lower()
        documented = CONTRACT["paths"][case.operation.path][method]["responses"][str(response.status_code)]
        if "$ref" in documented:
            documented = CONTRACT["components"]["responses"][documented["$ref"].rpartition("/")[2]]
        assert problem["type"] in documented["x-problem-types"]
        assert STATUSES[problem["type"]] == problem["status"] == response.status_code
