"""What is changed in TorchServe's front end: some bytes of three classes, where it has no setting.

It has no releases to come. Each class is copied out of its jar, changed and put before the jar on the class path. The
installed package stays as it is. A class other than the known one is left alone, and the log says what holds then.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Patch:
    """A change of some bytes of a class.

    Attributes:
        name: the class's file in the jar.
        sha256: of the one class that the changes are meant for, that of TorchServe 0.12.0.
        changes: bytes that are there once, and what stands in their place, as many; in hexadecimal.
        otherwise: what holds where it can't be made, for the log.
    """

    name: str
    sha256: str
    changes: Sequence[tuple[str, str]]
    otherwise: str

    def write(self, jar: Path, folder: Path) -> bool:
        """Write the changed class.

        Args:
            jar: TorchServe's ``model-server.jar``.
            folder: goes before the jar on the class path.

        Returns:
            Whether it was written; not if the jar's class is not the known one.
        """
        with zipfile.ZipFile(jar) as opened:
            content = opened.read(self.name)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            return False
        for known, changed in self.changes:
            content = content.replace(bytes.fromhex(known), bytes.fromhex(changed))
        target = folder / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return True


# Batches that wait for nobody. TorchServe fills a batch by polling its queue with a timeout of ``maxBatchDelay``
# (pollBatch), in whole milliseconds, and takes 0 for its default of 100. So a request that is alone waits a millisecond
# or more for company that does not come, three times what its answer takes. Polling with a timeout of 0 takes what is
# queued and goes: batches then form by themselves while the workers are busy, which is when they help.
GREEDY = Patch(
    "org/pytorch/serve/wlm/Model.class",
    "7c5523f1fe77fe79aa32665469e17725e70518692abcf4987989ef72f10d4cff",
    [
        # In its loop: `aload 5`, the queue; `lload 6`, the time left; `getstatic #498`, milliseconds.
        # `lconst_0`, `nop` in place of `lload 6`.
        ("1905 1606 b201f2", "1905 0900 b201f2"),
    ],
    "a lone request waits for maxBatchDelay",
)

# Requests as the client sent them. TorchServe does three things to a request for ``/predictions/NAME`` or
# ``/explanations/NAME`` that its sender does not expect:
#
# - It drops the query: ``?heatmap=gradcam`` reaches no handler. The old address ``/NAME/predict`` keeps it. Here the
#   new ones take the old one's way (handleLegacyPredict), which therefore looks for the name and the version where they
#   have them, and tells a handler that it is to explain as TorchServe does, in a header. The old address goes where no
#   model is found.
# - It takes what curl sends without a content type, ``application/x-www-form-urlencoded``, for a form: JSON gets lost
#   in it, and a photo gets a 500 that repeats half of it.
# - It reads multipart forms, with a library of 2020: one that is malformed gets a 500, one of a million fields takes
#   seconds of its few threads, and of a field that is there twice one is dropped.
#
# Here no body is read by the front end: it reaches the handler as it is. Where this can't be done handlers get what
# TorchServe makes of a request.
VERBATIM = Patch(
    "org/pytorch/serve/http/api/rest/InferenceRequestHandler.class",
    "915ac25d1f8a2360181528aa8eabd3c769ebd807d54798f0bce9bc934213eb93",
    [
        # predictions: handlePredictions(context, request, segments, false)
        # explanations: handlePredictions(context, request, segments, true)
        # any other address: handleLegacyPredict(context, request, query, segments)
        # The first two change places with the third, which then looks for a model named like its last segment.
        (
            "2a 2b 2c 1904 03 b70041 a70018 2a 2b 2c 1904 04 b70041 a7000c 2a 2b 2c 2d 1904 b70045",
            "2a 2b 2c 2d 1904 b70045 a70018 2a 2b 2c 2d 1904 b70045 a7000c 2a 2b 2c 1904 03 b70041",
        ),
        # What stands in place of handleLegacyPredict, as long as it:
        #
        #     String version = null;
        #     if (segments.length < 3) throw new ResourceNotFoundException();
        #     if (segments.length >= 4) version = segments[3];
        #     if ("explanations".equals(segments[1])) request.headers().add("explain", "True");
        #     predict(context, request, query, segments[2], version);
        (
            "01 3a05 1904 be 07 a00018 126c 1904 06 32 b60023 99000c 1904 05 32 3a05 a7001e 1904 be 06 a1000f"
            "126c 1904 05 32 b60023 9a000b bb0074 59 b70076 bf 2a 2b 2c 2d 1904 04 32 1905 b70099 b1",
            "01 3a05 1904 be 06 a2000b bb0074 59 b70076 bf 1904 be 07 a10009 1904 06 32 3a05 122d 1904 04 32 b60023"
            "990012 2c b900770100 125e 1297 b60081 57 00 2a 2b 2c 2d 1904 05 32 1905 b70099 b1",
        ),
        # where its branches end, as the class tells the verifier: at 31, 50, 58 -> 18, 31, 58
        ("fc001f 07001c 12 07", "fc0012 07001c 0c 1a"),
        # isMultipart(request) -> false
        ("2b b80190 9a000e", "2b 57 03 00 9a000e"),
        # "application/x-www-form-urlencoded".equalsIgnoreCase(type) -> false
        ("1905 b6019c 990070", "1905 57 57 03 990070"),
    ],
    "it drops the query, and takes what curl sends for a form",
)

# No gRPC. It can't be turned off: its two servers take a port each on loopback, where any user of the machine could ask
# for other numbers of workers, and their code is a part of the start and of the memory. In startAndWait `aload_0`,
# `invokevirtual #180` (startGRPCServers) become `nop`s; at the end nothing is stopped where nothing was started.
NO_GRPC = Patch(
    "org/pytorch/serve/ModelServer.class",
    "779d0df5bfc17c5ad09ac46d63d9a017d48a4cd68c1b7464de914d3cb40190b9",
    [("2a b600b4", "00 000000")],
    "gRPC is on, on two ports of loopback, where any user of this machine can change the number of workers",
)

PATCHES = (GREEDY, VERBATIM, NO_GRPC)
