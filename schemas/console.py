"""The addresses of the console, as OpenAPI describes them: the session of a browser, and those of its parts."""

from typing import Any

from pydantic.json_schema import JsonSchemaMode

from schemas import catalogue
from schemas.feedback import paths as feedback
from schemas.labels import paths as labels
from schemas.openapi_parts import PARAMETERS, json_content, ref, responses
from schemas.problem_kinds import ProblemName
from schemas.review import paths as review
from schemas.session import Session

SECTIONS = ("console", "feedback", "review", "appeals", "labels")  # first segments of its addresses
TAGS = [
    {"name": "console", "description": "Sign-in of a browser. A service without a console lacks these addresses."},
    *feedback.TAGS,
    *review.TAGS,
    *labels.TAGS,
]
COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((Session, *catalogue.ANSWERS), "serialization"),
    **feedback.COMPONENTS,
    **review.COMPONENTS,
    **labels.COMPONENTS,
}
_EVERYWHERE: tuple[ProblemName, ...] = (
    "unauthorized",
    "forbidden",
    "not-found",
    "method-not-allowed",
    "too-large",
    "unavailable",
)
PROBLEMS = tuple(dict.fromkeys((*_EVERYWHERE, *feedback.PROBLEMS, *review.PROBLEMS, *labels.PROBLEMS)))
SHARED_TYPES = feedback.SHARED_TYPES | review.SHARED_TYPES | labels.SHARED_TYPES

_PARAMETERS = [ref("parameters", name) for name in PARAMETERS]


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    session = json_content(("Session",), {})
    signed_out = responses("The cookie is deleted.", {}, ())
    signed_out["204"] = signed_out.pop("200") | {"content": {}}
    del signed_out["204"]["content"]
    others = catalogue.paths() | feedback.paths() | review.paths() | labels.paths()
    return others | {
        "/console/session": {
            "parameters": _PARAMETERS,
            "get": {
                "operationId": "getSession",
                "tags": ["console"],
                "summary": "Return the client that the request comes from; no key is needed",
                "responses": responses("The client.", session, ()),
            },
            "post": {
                "operationId": "signIn",
                "tags": ["console"],
                "summary": "Set a cookie with the key that the header X-API-Key has",
                "responses": responses("The client; the header Set-Cookie has the key.", session, ()),
            },
            "delete": {
                "operationId": "signOut",
                "tags": ["console"],
                "summary": "Delete the cookie",
                "responses": signed_out,
            },
        }
    }
