"""Patches of TorchServe's Java front end: some bytes of three classes, for behaviour that no setting changes.

TorchServe is no longer maintained, so these classes will not change. `Patch.write` copies a class out of the jar and
changes it. The server puts the copy before the jar on the class path; the installed package stays unchanged. A class
with another hash is not patched. Then the server does not start, unless the operator accepts the consequences.
"""

import hashlib
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from handlers.torchserve import package_files
from serving.process import ServerError

logger = logging.getLogger(__name__)


VERSION = package_files.TORCHSERVE  # the only version that is patched


@dataclass(frozen=True)
class Patch:
    """Replacements of some bytes of a Java class.

    Attributes:
        name: path of the class file in the jar.
        sha256: hash of the class file in TorchServe 0.12.0, the only one that is patched.
        changes: pairs of byte strings of equal length, in hexadecimal: original and replacement. Each original occurs
            once.
        without: behaviour of TorchServe without the patch, for the error.
    """

    name: str
    sha256: str
    changes: Sequence[tuple[str, str]]
    without: str

    def write(self, jar: zipfile.ZipFile, folder: Path) -> bool:
        """Write the patched class.

        Args:
            jar: TorchServe's ``model-server.jar``, open. Why: its directory of 25,000 files takes 0.15 s to read.
            folder: folder of the patched classes, which comes before the jar on the class path.

        Returns:
            False if the jar has no such class, or another than TorchServe 0.12.0; then nothing is written.
        """
        try:
            content = jar.read(self.name)
        except KeyError:
            return False
        if hashlib.sha256(content).hexdigest() != self.sha256:
            return False
        for original, replacement in self.changes:
            content = content.replace(bytes.fromhex(original), bytes.fromhex(replacement))
        target = folder / self.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return True


# Batches without a delay. TorchServe fills a batch by polling its queue with a timeout of ``maxBatchDelay``, in whole
# milliseconds (pollBatch), and takes 0 for its default of 100. So a single request waits a millisecond or more for
# others, three times as long as its answer takes. With a timeout of 0, a batch consists of the queued requests. Batches
# then form while the workers are busy, which is when they help.
GREEDY = Patch(
    "org/pytorch/serve/wlm/Model.class",
    "7c5523f1fe77fe79aa32665469e17725e70518692abcf4987989ef72f10d4cff",
    [
        # pollBatch's loop has `aload 5` (the queue), `lload 6` (the time left), `getstatic #498` (milliseconds).
        # `lconst_0`, `nop` replace `lload 6`.
        ("1905 1606 b201f2", "1905 0900 b201f2"),
    ],
    "a single request waits for maxBatchDelay before a worker gets it",
)

# Unchanged requests. TorchServe changes requests for ``/predictions/NAME`` and ``/explanations/NAME`` in three ways,
# which clients do not expect:
#
# - It drops the query: ``?heatmap=gradcam`` reaches no handler. The old path ``/NAME/predict`` keeps the query. The
#   patch sends the new paths through the old path's method (handleLegacyPredict). It makes the method read name and
#   version from the new paths, and set the header `explain`, by which TorchServe asks a handler for an explanation. The
#   old path then finds no model.
# - It parses a body of ``application/x-www-form-urlencoded``, curl's default content type, as a form. JSON is lost that
#   way, and a photo gets a 500 that repeats half of it.
# - It parses multipart forms, with a library of 2020. A malformed form gets a 500. A form with a million fields takes
#   one of the few threads seconds. A repeated field loses a value.
#
# With the patch, the front end parses no body, and handlers receive it unchanged.
VERBATIM = Patch(
    "org/pytorch/serve/http/api/rest/InferenceRequestHandler.class",
    "915ac25d1f8a2360181528aa8eabd3c769ebd807d54798f0bce9bc934213eb93",
    [
        # Original calls:
        #     predictions: handlePredictions(context, request, segments, false)
        #     explanations: handlePredictions(context, request, segments, true)
        #     any other path: handleLegacyPredict(context, request, query, segments)
        # The patch exchanges them. Other paths get handlePredictions, which looks for a model named like the last
        # segment.
        (
            "2a 2b 2c 1904 03 b70041 a70018 2a 2b 2c 1904 04 b70041 a7000c 2a 2b 2c 2d 1904 b70045",
            "2a 2b 2c 2d 1904 b70045 a70018 2a 2b 2c 2d 1904 b70045 a7000c 2a 2b 2c 1904 03 b70041",
        ),
        # Body of the new handleLegacyPredict, as long as the original:
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
        # Stack map of the branch targets, which Java's verifier reads: 31, 50, 58 -> 18, 31, 58
        ("fc001f 07001c 12 07", "fc0012 07001c 0c 1a"),
        # isMultipart(request) -> false
        ("2b b80190 9a000e", "2b 57 03 00 9a000e"),
        # "application/x-www-form-urlencoded".equalsIgnoreCase(type) -> false
        ("1905 b6019c 990070", "1905 57 57 03 990070"),
    ],
    "the front end drops the query, and parses JSON and photos that curl sends by default as a form",
)

# No gRPC. No setting turns it off. Its two servers listen on a loopback port each, where any user of the machine could
# change the number of workers, and they take time at the start, and memory. In startAndWait, `nop`s replace `aload_0`,
# `invokevirtual #180` (startGRPCServers). The stop works without servers too.
NO_GRPC = Patch(
    "org/pytorch/serve/ModelServer.class",
    "779d0df5bfc17c5ad09ac46d63d9a017d48a4cd68c1b7464de914d3cb40190b9",
    [("2a b600b4", "00 000000")],
    "gRPC listens on two loopback ports, where any user of this machine can change the number of workers",
)

PATCHES = (GREEDY, VERBATIM, NO_GRPC)


def write_patches(package: Path, folder: Path, *, allow_unpatched: bool = False) -> None:
    """Write the patched classes of TorchServe, and check the Python files that workers replace.

    Args:
        package: folder of the Python package ``ts``.
        folder: folder of the patched classes, which comes before the jar on the class path.
        allow_unpatched: only warn of what can't be patched.

    Raises:
        ServerError: if the package is not TorchServe 0.12.0. The message lists the consequences.
    """
    jar = package / "frontend" / "model-server.jar"
    try:
        with zipfile.ZipFile(jar) as opened:
            missing = [patch.without for patch in PATCHES if not patch.write(opened, folder)]
    except (FileNotFoundError, zipfile.BadZipFile) as error:
        raise ServerError(f"TorchServe's {jar} can't be read: {error}; install torchserve=={VERSION} again") from error
    if changed := package_files.changed_files(package):
        missing.append(f"workers may misread requests, because {', '.join(changed)} differ")
    if not missing:
        return
    problem = f"{package} is not TorchServe {VERSION}, so without shopcat's patches: {'; '.join(missing)}"
    if not allow_unpatched:
        raise ServerError(f"{problem}; install torchserve=={VERSION}, or accept this with --allow-unpatched")
    logger.warning("%s", problem)
