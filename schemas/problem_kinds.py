"""Every kind of problem that a client can receive: status, title, likely cause and remedy."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

ProblemName = Literal[
    "malformed-request",
    "invalid-request",
    "unknown-store",
    "outside-calendar",
    "beyond-horizon",
    "no-calibration",
    "unsupported-media-type",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "unknown-class",
    "invalid-receipt",
    "expired-receipt",
    "internal-error",
    "fatal-request",
    "unauthorized",
    "forbidden",
    "not-found",
    "conflict",
    "precondition-failed",
    "unusable-project",
    "storage-full",
    "not-ready",
    "not-supported",
    "method-not-allowed",
    "too-large",
    "overloaded",
    "rate-limited",
    "request-timeout",
    "headers-too-large",
    "unavailable",
    "timeout",
]


class ProblemKind(NamedTuple):
    """One kind of problem.

    Attributes:
        status: HTTP status.
        title: meaning in a few words; the same for every problem of the kind.
        cause: likely cause, for the documentation.
        remedy: advice to the client, for the documentation.
    """

    status: int
    title: str
    cause: str
    remedy: str


PROBLEM_KINDS: Mapping[ProblemName, ProblemKind] = {
    "malformed-request": ProblemKind(
        400,
        "The request does not have the form that this address takes",
        "The body is not valid JSON, the form has no photo, or the HTTP message itself is broken.",
        "Compare the request with the examples in the OpenAPI document.",
    ),
    "invalid-request": ProblemKind(
        422,
        "A field of the request has an invalid value",
        "A field has the wrong type, is out of range, is misspelled or is missing.",
        "Correct the fields that `errors` lists. Each entry has the path, the value sent and the allowed values.",
    ),
    # Sales model.
    "unknown-store": ProblemKind(
        404,
        "The model does not know the store",
        "The tables that the model was trained on do not contain the store.",
        "Use a store of these tables, or train a model on tables that contain the new store.",
    ),
    "outside-calendar": ProblemKind(
        422,
        "The model cannot forecast this date",
        "The date lies before the first day or after the last day of the model's calendar.",
        "Use a date between the first and the last day that `detail` gives.",
    ),
    "beyond-horizon": ProblemKind(
        422,
        "The date lies beyond the model's horizon",
        "The date is further from the last known sales than the model was made for, and the model refuses such dates.",
        "Use a date up to the last day that `detail` gives, or update the model with later sales.",
    ),
    "no-calibration": ProblemKind(
        422,
        "The model has no intervals, no quantiles and no objective but the median",
        "The bundle was exported without a calibration, because no past forecasts could be compared with sales.",
        "Ask without `levels`, `quantiles` and `objective`, or train the model with more sales.",
    ),
    # Pets model.
    "unsupported-media-type": ProblemKind(
        415,
        "This address does not take this content type",
        "The header Content-Type names neither an image, nor a form, nor JSON, or the body is compressed.",
        "Send the photo in one of the ways that `detail` describes.",
    ),
    "not-an-image": ProblemKind(
        422,
        "The image format is unknown",
        "The bytes are a document, a video or an image format that the service does not read.",
        "Send JPEG, PNG, WebP, GIF, BMP or TIFF.",
    ),
    "damaged-image": ProblemKind(
        422,
        "The image is damaged or incomplete",
        "The upload was cut off, or the file is damaged.",
        "Send the complete file, or open the photo and save it again.",
    ),
    "image-too-large": ProblemKind(
        413,
        "The image is too large to decode",
        "The photo has more pixels than the service decodes.",
        "Reduce the photo's width and height before you send it.",
    ),
    "unknown-class": ProblemKind(
        404,
        "The model does not know the class",
        "The name is misspelled, or the model was trained without the class.",
        "Use one of the similar names that `detail` lists.",
    ),
    # Feedback.
    "invalid-receipt": ProblemKind(
        400,
        "The receipt is not one of this service",
        "The receipt was cut or altered, is about another model, or was signed by a service with another key.",
        "Send the receipt back as the answer had it, to the same service and model.",
    ),
    "expired-receipt": ProblemKind(
        410,
        "The receipt is too old",
        "The answer was given longer ago than the service takes true values for.",
        "Send true values earlier; `detail` has the number of days.",
    ),
    # Every model.
    "internal-error": ProblemKind(
        500,
        "The service failed; the request is not at fault",
        "There is a fault in the model, or in the code of the service.",
        "Give the operator the id in `detail`. The server's log has the cause under this id.",
    ),
    "fatal-request": ProblemKind(
        422,
        "The request ended the workers that computed it",
        "The request takes too much memory or time, or triggers a fault in a library.",
        "Send the photo smaller or in another format, or fewer items. The same request is rejected for ten minutes.",
    ),
    # Gateway.
    "unauthorized": ProblemKind(
        401,
        "The request has no valid API key",
        "The key is missing, or the operator has replaced it.",
        "Send the key that you got from the operator, as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
    ),
    "forbidden": ProblemKind(
        403,
        "The client may not do this",
        "The key lacks a role, or a page of another site sent the request.",
        "Ask the operator for a key with the role that `detail` names, or open the address that it names.",
    ),
    "not-found": ProblemKind(
        404,
        "Not found",
        "The address is misspelled, or the service does not serve this model.",
        "Use an address of the OpenAPI document, `/openapi.json`.",
    ),
    "conflict": ProblemKind(
        409,
        "Somebody else was faster, or this was done before",
        "The case, the appeal or the project is in another state by now.",
        "Load it again, and decide from what it says now.",
    ),
    # Labelling.
    "precondition-failed": ProblemKind(
        412,
        "Somebody has changed this since it was loaded",
        "The header If-Match has an ETag from before the last change.",
        "Load it again, and send the change with the new ETag.",
    ),
    "unusable-project": ProblemKind(
        409,
        "The labelling project can't be used",
        "Its database is damaged, was written by another version, or its disk can't be read.",
        "Do as `detail` says, or delete the project.",
    ),
    "storage-full": ProblemKind(
        507,
        "There is no room for this",
        "The disk is full, or the project has as many photos or bytes as it may have.",
        "Free some space, or begin another project, as `detail` says.",
    ),
    "not-ready": ProblemKind(
        409,
        "Something is missing for this",
        "There are too few labels to train on, or no bundle has been made yet.",
        "Do first what `detail` says.",
    ),
    "not-supported": ProblemKind(
        409,
        "The service can't do this as it was installed and started",
        "The packages for training are missing, or the service does not serve the model that is to be replaced.",
        "Install or start the service as `detail` says.",
    ),
    "method-not-allowed": ProblemKind(
        405,
        "This address does not take this HTTP method",
        "The request is a GET.",
        "Use a method that the header Allow lists: POST for predictions and explanations.",
    ),
    "too-large": ProblemKind(
        413,
        "The request body is too large",
        "The body has too many items, or the photo's file is too large, or the request takes too much memory.",
        "Send fewer items in each request, or a smaller photo.",
    ),
    "overloaded": ProblemKind(
        503,
        "The service is overloaded; try again later",
        "More requests arrive than the service can answer in time.",
        "Wait the number of seconds in the header Retry-After, then send the request again.",
    ),
    "rate-limited": ProblemKind(
        429,
        "The client has sent more requests than it may",
        "The operator limits the number of requests of each client, and `detail` names the limits.",
        "Wait the number of seconds in the header Retry-After, and send fewer requests in a period.",
    ),
    "request-timeout": ProblemKind(
        408,
        "The request did not arrive in time",
        "The connection is slow or broke off.",
        "Send the request faster, or send less in each request.",
    ),
    "headers-too-large": ProblemKind(
        431,
        "The request's headers or address are too large",
        "The client sends large cookies, tokens or query parameters.",
        "Remove cookies and unnecessary headers.",
    ),
    "unavailable": ProblemKind(
        503,
        "The model cannot be reached; try again later",
        "The model's workers are starting again after a failure.",
        "Wait the number of seconds in the header Retry-After, then send the request again.",
    ),
    "timeout": ProblemKind(
        504,
        "The model did not answer in time",
        "The request asks for much, or the machine is overloaded.",
        "Ask for less in each request.",
    ),
}

# Problems that the gateway answers with, whatever the address.
GATEWAY_PROBLEMS: tuple[ProblemName, ...] = (
    "malformed-request",
    "unauthorized",
    "forbidden",
    "not-found",
    "method-not-allowed",
    "too-large",
    "overloaded",
    "rate-limited",
    "request-timeout",
    "headers-too-large",
    "unavailable",
    "timeout",
)


def type_uri(name: ProblemName) -> str:
    """Return the URI that identifies a kind of problem in ``type``."""
    return f"urn:shopcat:problem:{name}"


def documentation(name: ProblemName) -> str:
    """Return the path within the project, and the heading there, of a problem's likely cause and remedy."""
    return f"docs/reference/problems.md#{name}"


def names_by_status(names: Iterable[ProblemName]) -> Mapping[int, Sequence[ProblemName]]:
    """Group kinds of problems by their HTTP statuses, lowest status first."""
    groups: dict[int, list[ProblemName]] = {}
    for name in sorted(names, key=lambda name: PROBLEM_KINDS[name].status):
        groups.setdefault(PROBLEM_KINDS[name].status, []).append(name)
    return groups
