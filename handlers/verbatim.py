"""Requests as the client sent them: a change of some bytes to TorchServe's front end.

TorchServe does three things to a request for ``/predictions/NAME`` that its sender does not expect, and has no setting
for them (InferenceRequestHandler):

- It drops the query: ``?heatmap=gradcam`` reaches no handler. The old address ``/NAME/predict`` keeps it. Here the new
  one takes the old one's way (handleLegacyPredict), which therefore looks for the name and the version where the new
  one has them; the old address is gone.
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

# Each is found once, and its replacement is as long.
_CHANGES = [
    (bytes.fromhex(known), bytes.fromhex(changed))
    for known, changed in [
        # handlePredictions(context, request, segments, false) -> handleLegacyPredict(context, request, query, segments)
        ("2a 2b 2c 1904 03 b70041", "2a 2b 2c 2d 1904 b70045"),
        # segments.length == 4 && "predict".equals(segments[3]) -> ... >= 4 && "predictions".equals(segments[1]) ...
        ("be 07 a00018 126c 1904 06 32 b60023", "be 07 a10018 122b 1904 04 32 b60023"),
        # ... version = segments[2] -> segments[3]
        ("1904 05 32 3a05 a7001e", "1904 06 32 3a05 a7001e"),
        # "predict".equals(segments[2]) -> "predictions".equals(segments[1]), or else it is no address of ours
        ("126c 1904 05 32 b60023 9a000b", "122b 1904 04 32 b60023 9a000b"),
        # predict(context, request, query, segments[1], version) -> ... segments[2] ...
        ("2a 2b 2c 2d 1904 04 32 1905 b70099", "2a 2b 2c 2d 1904 05 32 1905 b70099"),
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
