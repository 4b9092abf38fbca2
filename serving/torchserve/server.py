"""TorchServe, started and stopped as one thing: its front end in Java, its workers, its files.

Each server has a private folder for its configuration, archives, sockets and log, so that several can run on one
machine and none meets another's model, and is a process group of its own, so that nothing of it is left behind.
"""

import contextlib
import json
import logging
import os
import re
import string
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from handlers.worker_paths import WorkerPaths
from serving.local_http import Address, ask
from serving.logs import LOG_PREFIX, read, tail
from serving.ports import HOST, hold_port
from serving.process import ServerError, private_folder, running_process
from serving.torchserve.archive import SETTINGS, copy_archives
from serving.torchserve.java import find_java
from serving.torchserve.patches import PATCHES

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_LAST_WORDS_S = 2.0  # that a worker's death has to be explained in the log
_ANSWER_S = 60.0  # that a model has for the answer that is shown when it is ready
_PING_S = 1.0  # that a probe is let wait for TorchServe
_SCRAPE_S = 2.0  # that Prometheus is let wait for TorchServe's figures
_ALL_GPUS = 2**31 - 1  # Java's largest int
_WORKER_DIED = "Backend worker process died."
_NO_UNIX_SOCKETS = "Invalid configuration: null"  # what TorchServe says without netty's library for them
_NO_EXECUTION = (
    ": it takes Unix sockets by a library that it unpacks and runs, which {} does not allow (noexec); set TMPDIR to a "
    "folder that does, or unpack the library from TorchServe's jar onto LD_LIBRARY_PATH, as the Dockerfile does"
)
# There is a worker for each core.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_WITHOUT_TORCH = Path(__file__).parent / "without_torch"


@dataclass(frozen=True)
class Server:
    """A TorchServe of which every worker is ready.

    Attributes:
        address: of ``/predictions/NAME``: a Unix socket in its folder, or the one port of loopback that it listens on.
        folder: its own, with the Unix sockets of its management and its metrics. No other user can enter it.
        models: the archives that it runs, copies of its own, by their names as in ``/predictions/NAME``.
        log: the file with what the front end and the workers wrote. It goes with the server, unless it was named.
        audit_log: the file with a line of JSON for each request. It too goes with the server, unless it was named.
        process: the front end, the leader of the server's process group.
        instance: number of the instance in its service, from 0; a replacement gets the number of its predecessor.
    """

    address: Address
    folder: Path
    models: Mapping[str, Path]
    log: Path
    audit_log: Path
    process: subprocess.Popen[bytes]
    instance: int = 0

    def ask(self, model: str, body: bytes, content_type: str) -> bytes:
        """What a model answers, asked without the front door.

        Raises:
            OSError: if it does not answer 200.
        """
        target = f"/predictions/{model}"
        return ask(self.address, target, method="POST", body=body, content_type=content_type, timeout=_ANSWER_S)

    def workers(self, model: str) -> int:
        """How many workers a model has."""
        return len(self.describe(model)["workers"])

    def describe(self, model: str) -> dict[str, Any]:
        """What TorchServe's management says of a model.

        Raises:
            OSError: if it does not answer, or knows no such model.
        """
        said = ask(self.folder / "management.sock", f"/models/{model}")
        try:
            (state,) = json.loads(said)
        except ValueError as error:
            raise OSError(f"what TorchServe says of {model} can't be read: {error}") from error
        return dict(state)

    def metrics(self) -> bytes:
        """TorchServe's own figures, in Prometheus's text format.

        Raises:
            OSError: if it does not answer.
        """
        return ask(self.folder / "metrics.sock", "/metrics", timeout=_SCRAPE_S)

    def answers(self) -> bool:
        """Whether its front end does."""
        with contextlib.suppress(OSError):
            return bool(ask(self.address, "/ping", timeout=_PING_S))
        return False

    def wait(self) -> None:
        """Return when the server ends, which it does not do by itself.

        Raises:
            ServerError: always.
        """
        code = self.process.wait()
        raise ServerError(f"TorchServe ended unexpectedly, with exit status {code}\n{tail(self.log)}")


@contextlib.contextmanager
def running_server(
    archives: Iterable[Path],
    *,
    port: int | None = None,
    workers: int = 0,
    cpu: bool = False,
    log: Path | None = None,
    timeout: float = 120.0,
    shared: WorkerPaths | None = None,
    instance: int = 0,
) -> Iterator[Server]:
    """Run TorchServe on archives for as long as the block lasts.

    Args:
        archives: each of another model. The server gets copies: a worker that starts again later finds what the first
            one found, whatever was archived since.
        port: where it listens, on loopback; on a Unix socket instead, and on no port, if left out.
        workers: for each model; one for each GPU, or each core if there is no GPU, if 0.
        cpu: whether GPUs are left alone.
        log: a file to append the log to; a temporary one if left out.
        timeout: seconds for all workers to be ready.
        shared: where the workers write their figures and the audit log; in the server's own folder if left out.
        instance: as for `Server`.

    Yields:
        The server, once every worker of every model is ready. It is stopped, with all its processes, when the block
        ends. If this process is killed so that it can't, the server's front end ends with it (on Linux), and the
        workers with the front end.

    Raises:
        ArchiveError: if one is not an archive or can't be copied.
        JavaError: if there is no Java to run it.
        PortError: if the port is taken.
        ServerError: if a model can't be loaded: with the cause, as the worker's log has it.
    """
    java = find_java()
    with contextlib.nullcontext() if port is None else hold_port(port, HOST, "--port"), private_folder() as folder:
        address = folder / "inference.sock" if port is None else port
        models = copy_archives(archives, folder / "models")
        log = (log or folder / "torchserve.log").absolute()
        log.parent.mkdir(parents=True, exist_ok=True)
        start = log.stat().st_size if log.exists() else 0
        command = _command(java, folder, _configuration(folder, models, address, workers, cpu))
        shared = shared or WorkerPaths.create(folder / "shared")
        with running_process(command, folder, log, _ONE_THREAD, {**_import_path(), **shared.environment()}) as process:
            server = Server(address, folder, models, log, shared.audit_log, process, instance)
            _wait_until_ready(server, start, timeout)
            yield server


def _configuration(folder: Path, models: Mapping[str, Path], address: Address, workers: int, cpu: bool) -> str:
    """config.properties, filled in."""
    template = string.Template((SETTINGS / "config.properties").read_text())
    values = {
        "inference_address": f"http://{HOST}:{address}" if isinstance(address, int) else f"unix:{address}",
        "folder": folder,
        "load_models": ",".join(f"{name}={path.name}" for name, path in models.items()),
        "workers": workers,
        "gpus": 0 if cpu else _ALL_GPUS,
        "allowed_urls": f"file://{re.escape(str(folder / 'models'))}/.*",
    }
    # Java's property files are ASCII with the escapes that JSON has too.
    return template.substitute({key: json.dumps(str(value))[1:-1] for key, value in values.items()})


def _import_path() -> dict[str, str]:
    """Return the environment in which the workers find a torch: the stand-in, if the real one is not installed."""
    return {} if find_spec("torch") else {"PYTHONPATH": str(_WITHOUT_TORCH)}


def _command(java: Path, folder: Path, configuration: str) -> list[str]:
    """The front end's command line; writes what it needs into the server's folder."""
    found = find_spec("ts")
    if found is None or found.origin is None:
        raise ServerError("TorchServe is not installed in this Python; run `pip install torchserve`")
    package = Path(found.origin).parent
    jar = package / "frontend" / "model-server.jar"
    for patch in PATCHES:
        if not patch.write(jar, folder / "classes"):
            logger.warning("this TorchServe is not 0.12.0: %s", patch.otherwise)
    (folder / "config.properties").write_text(configuration, encoding="ascii")
    (folder / "tmp").mkdir()
    return [
        str(java),
        # What a request leaves behind is young and small. Java's own choice lets the heap grow for minutes before it
        # looks; this one stays as it is, and answers as many.
        *("-XX:+UseSerialGC", "-Xmn64m", "-XX:+ExitOnOutOfMemoryError"),
        f"-Dmodel_server_home={package.parent}",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog4j.configurationFile={(SETTINGS / 'log4j2.xml').as_uri()}",
        "-cp",
        f"{folder / 'classes'}{os.pathsep}{jar}",
        "org.pytorch.serve.ModelServer",
        *("--python", sys.executable),
        *("-f", str(folder / "config.properties")),
        "-ncs",
    ]


def _wait_until_ready(server: Server, start: int, timeout: float) -> None:
    """Return when every worker of every model is ready; ``start`` is where the server's part of the log begins."""
    waiting = list(server.models)
    until = time.monotonic() + timeout
    while waiting:
        # The log is read first: a worker that fails is started again, and looks alive in between.
        text = read(server.log, start)
        if _WORKER_DIED in text:
            raise ServerError(f"a model can't be loaded: {_cause(server.log, start)}\n{tail(server.log, start)}")
        if server.process.poll() is not None:
            unpacked = _NO_UNIX_SOCKETS not in text or not _forbids_execution(server.folder)
            why = "" if unpacked else _NO_EXECUTION.format(server.folder.parent)
            raise ServerError(f"TorchServe ended while it was starting{why}\n{tail(server.log, start)}")
        if "Failed to load model" in text or "Failed to register" in text:
            raise ServerError(f"TorchServe can't read an archive\n{tail(server.log, start)}")
        if time.monotonic() > until:
            raise ServerError(f"{', '.join(waiting)} not ready after {timeout:g} s\n{tail(server.log, start)}")
        if _is_ready(server, waiting[0]):
            waiting.pop(0)
        else:
            time.sleep(_POLL_S)


def _forbids_execution(folder: Path) -> bool:
    """Whether no program can be run from a folder, because it is mounted so."""
    return bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def _is_ready(server: Server, model: str) -> bool:
    """Whether all workers of a model have loaded it. ``/ping`` would say Healthy long before."""
    try:
        state = server.describe(model)
    except OSError:  # not listening yet, or not registered yet
        return False
    ready = [worker["status"] == "READY" for worker in state["workers"]]
    return all(ready) and len(ready) >= max(1, state["minWorkers"])


def _cause(log: Path, start: int) -> str:
    """The error that ended a worker: the last line of its traceback, which may still be on its way into the log."""
    before, until, errors = "", time.monotonic() + _LAST_WORDS_S, list[str]()
    while (text := read(log, start)) != before or not errors:
        lines = (LOG_PREFIX.sub("", line) for line in text.partition(_WORKER_DIED)[2].splitlines())
        errors = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b", line)]
        if time.monotonic() > until:
            break
        before = text
        time.sleep(_POLL_S)
    # TorchServe looks for a handler that can't be imported in a package of its own, and fails there again.
    own = [line for line in errors if "ts.torch_handler" not in line]
    return (own or errors or ["its log does not say why"])[-1]
