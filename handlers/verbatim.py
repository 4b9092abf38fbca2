"""Requests as the client sent them: a change of some bytes to TorchServe's front end.

TorchServe does three things to a request for ``/predictions/NAME`` or ``/explanations/NAME`` that its sender does not
expect, and has no setting for them (InferenceRequestHandler):

- It drops the query: ``?heatmap=gradcam`` reaches no handler. The old address ``/NAME/predict`` keeps it. Here the new
  ones take the old one's way (handleLegacyPredict), which therefore looks for the name and the version where they have
  them, and tells a handler that it is to explain as TorchServe does, in a header. The old address goes where no model
  is found.
- It takes what curl sends without a content type, ``application/x-www-form-urlencoded``, for a form: JSON gets lost in
  it, and a photo gets a 500 that repeats half of it.
- It reads multipart forms, with a library of 2020: one that is malformed gets a 500, one of a million fields takes
  seconds of its few threads, and of a field that is there twice one is dropped.

Here no body is read by the front end: it reaches the handler as it is. Where this can't be done, because the class is
not the known one, handlers get what TorchServe makes of a request, and the query is lost.
"""

from pathlib import Path

from handlers.jar import write_changed_class

CLASS = "org/pytorch/serve/http/api/rest/InferenceRequestHandler.class"
KNOWN = "915ac25d1f8a2360181528aa8eabd3c769ebd807d54798f0bce9bc934213eb93"  # sha256 of the class in TorchServe 0.12.0

# What stands in place of handleLegacyPredict, as long as it:
#
#     String version = null;
#     if (segments.length < 3) throw new ResourceNotFoundException();
#     if (segments.length >= 4) version = segments[3];
#     if ("explanations".equals(segments[1])) request.headers().add("explain", "True");
#     predict(context, request, query, segments[2], version);
_LEGACY_PREDICT = (
    "01 3a05 1904 be 07 a00018 126c 1904 06 32 b60023 99000c 1904 05 32 3a05 a7001e 1904 be 06 a1000f"
    "126c 1904 05 32 b60023 9a000b bb0074 59 b70076 bf 2a 2b 2c 2d 1904 04 32 1905 b70099 b1"
)
_PREDICT_OR_EXPLAIN = (
    "01 3a05 1904 be 06 a2000b bb0074 59 b70076 bf 1904 be 07 a10009 1904 06 32 3a05 122d 1904 04 32 b60023 990012"
    "2c b900770100 125e 1297 b60081 57 00 2a 2b 2c 2d 1904 05 32 1905 b70099 b1"
)

# Each is found once, and its replacement is as long.
_CHANGES = [
    (bytes.fromhex(known), bytes.fromhex(changed))
    for known, changed in [
        # predictions: handlePredictions(context, request, segments, false)
        # explanations: handlePredictions(context, request, segments, true)
        # any other address: handleLegacyPredict(context, request, query, segments)
        # The first two change places with the third, which then looks for a model named like its last segment.
        (
            "2a 2b 2c 1904 03 b70041 a70018 2a 2b 2c 1904 04 b70041 a7000c 2a 2b 2c 2d 1904 b70045",
            "2a 2b 2c 2d 1904 b70045 a70018 2a 2b 2c 2d 1904 b70045 a7000c 2a 2b 2c 1904 03 b70041",
        ),
        (_LEGACY_PREDICT, _PREDICT_OR_EXPLAIN),
        # where its branches end, as the class tells the verifier: at 31, 50, 58 -> 18, 31, 58
        ("fc001f 07001c 12 07", "fc0012 07001c 0c 1a"),
        # isMultipart(request) -> false
        ("2b b80190 9a000e", "2b 57 03 00 9a000e"),
        # "application/x-www-form-urlencoded".equalsIgnoreCase(type) -> false
        ("1905 b6019c 990070", "1905 57 57 03 990070"),
    ]
]


def write_verbatim_class(jar: Path, folder: Path) -> bool:
    """Write the changed class into a folder for the class path.

    Args:
        jar: TorchServe's ``model-server.jar``.
        folder: goes before the jar on the class path.

    Returns:
        Whether it was written; not if the jar's class is not the known one.
    """
    return write_changed_class(jar, folder, CLASS, KNOWN, _CHANGES)
