"""Starting and stopping a TorchServe instance: its front end in Java, its workers and its files.

Each instance has a private folder for its configuration, archives and sockets, so that several can run on one
machine. It runs in a separate process group, so that no process remains when it stops.
"""

import contextlib
import json
import logging
import math
import os
import re
import string
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from handlers.gpus import VISIBLE, gpu_environment, listed_gpus
from handlers.worker_paths import WorkerPaths
from handlers.worker_settings import ALLOW_UNPATCHED, BEHIND_GATEWAY
from runtime.memory import memory_limit
from serving.archives.archive import copy_archives
from serving.local_http import Address, ask
from serving.ports import HOST, hold_port
from serving.process import ServerError, has_ended, private_folder, running_process
from serving.runner import WORKER_DEFAULTS
from serving.torchserve.java import find_java
from serving.torchserve.output import TorchServeOutput
from serving.torchserve.patches import write_patches

logger = logging.getLogger(__name__)

_POLL_S = 0.05
# Seconds between two questions to a front end whose workers load, and for which it is asked at each poll after a worker
# reports that it is ready. Why: asked 20 times a second, the front end takes CPU time from its workers.
_ASK_S, _ASK_OFTEN_S = 0.5, 1.0
_LAST_WORDS_S = 2.0  # time for a dead worker's traceback to reach the log
_ANSWER_S = 60.0  # a model's time for the answer that `shopcat serve` prints at the start
_PING_S = 1.0  # TorchServe's time to answer a probe
_SCRAPE_S = 2.0  # TorchServe's time to return its metrics
# The front end's heap: a share of the container's or machine's memory, between two limits. Why: with 256 MiB it takes 8
# photos of 10 MB at once, and ends at 16; with 512 MiB it takes 16, and ends at 32 (two workers, which admit 8).
_HEAP_SHARE, _MIN_HEAP, _MAX_HEAP = 4, 256 << 20, 8 << 30
_ALL_GPUS = 2**31 - 1  # Java's largest int
_WORKER_DIED = "Backend worker process died."
_NO_UNIX_SOCKETS = "Invalid configuration: null"  # TorchServe's message without netty's native library
_NO_EXECUTION = (
    ": for Unix sockets it unpacks a library and runs it, which {} does not allow (noexec); set TMPDIR to a "
    "folder that does, or unpack the library from TorchServe's jar onto LD_LIBRARY_PATH, as the Dockerfile does"
)
# Workers import the stand-in even where torch is installed. Why: measured CPU time of a start with four workers
# 22 s -> 9 s, memory of a worker 330 MiB -> 71 MiB (single starts, two busy cores).
_WITHOUT_TORCH = Path(__file__).parent / "without_torch"
SETTINGS = Path(__file__).parent / "settings"


@dataclass(frozen=True)
class Server:
    """A TorchServe instance whose workers are all ready.

    Attributes:
        address: address for requests: a Unix socket in its folder, or a loopback port.
        folder: private folder with the Unix sockets of its management and its metrics.
        models: archives of its models, copied to its folder, by the name in ``/predictions/NAME``.
        request_log: file with a line of JSON for each request; a temporary one is removed too.
        process: front end, the leader of the process group.
        output: output of the front end and of the workers.
        instance: number of the instance in its service, from 0; a replacement gets the number of its predecessor.
    """

    address: Address
    folder: Path
    models: Mapping[str, Path]
    request_log: Path
    process: subprocess.Popen[bytes]
    output: TorchServeOutput
    instance: int = 0

    def ask(self, model: str, body: bytes, content_type: str) -> bytes:
        """Send a request to a model, without the gateway, and return the body of its answer.

        Raises:
            OSError: if the status is not 200.
        """
        target = f"/predictions/{model}"
        return ask(self.address, target, method="POST", body=body, content_type=content_type, timeout=_ANSWER_S)

    def workers(self, model: str) -> int:
        """Return the number of a model's workers."""
        return len(self.describe(model)["workers"])

    def describe(self, model: str) -> dict[str, Any]:
        """Return a model's description from TorchServe's management interface.

        Raises:
            OSError: if it does not respond, or has no such model.
        """
        description = self._manage(f"/models/{model}")
        try:
            (state,) = json.loads(description)
        except ValueError as error:
            raise OSError(f"TorchServe's description of {model} can't be read: {error}") from error
        return dict(state)

    def _manage(self, target: str) -> bytes:
        return ask(self.folder / "management.sock", target)

    def registered(self) -> set[str]:
        """Return the names of the registered models, from TorchServe's management interface.

        Raises:
            OSError: if it does not respond.
        """
        return {model["modelName"] for model in json.loads(self._manage("/models"))["models"]}

    def metrics(self) -> bytes:
        """Return TorchServe's own metrics in Prometheus's text format.

        Raises:
            OSError: if it does not respond.
        """
        return ask(self.folder / "metrics.sock", "/metrics", timeout=_SCRAPE_S)

    def answers(self) -> bool:
        """Return True if the front end responds."""
        with contextlib.suppress(OSError):
            return bool(ask(self.address, "/ping", timeout=_PING_S))
        return False


@contextlib.contextmanager
def running_server(
    archives: Iterable[Path],
    *,
    port: int | None = None,
    workers: int = 0,
    cpu: bool = False,
    timeout: float = 120.0,
    shared: WorkerPaths | None = None,
    instance: int = 0,
    environment: Mapping[str, str] = {},
    link: bool = False,
    cancelled: threading.Event | None = None,
) -> Iterator[Server]:
    """Run TorchServe on archives until the block ends.

    Args:
        archives: one archive for each model. The instance copies them, so that a worker that restarts loads the same
            bundle as before, whatever was archived since.
        port: loopback port for requests; by default a Unix socket.
        workers: number of workers for each model; 0 for one per GPU, or per CPU core without a GPU.
        cpu: compute on the CPU even if there is a GPU.
        timeout: seconds to wait for all workers.
        shared: files for the workers' metrics and request log; by default in the instance's folder.
        instance: as for `Server`.
        environment: more environment variables for the workers; see `handlers.worker_settings`.
        link: as for `copy_archives`.
        cancelled: set to end a start that is in progress.

    Yields:
        The instance, once every worker of every model is ready. All of its processes are stopped when the block ends.
        If this process is killed, the front end ends too (on Linux), and the workers end with the front end.

    Raises:
        ArchiveError: if one is not an archive or can't be copied.
        JavaError: if there is no suitable Java.
        PortError: if the port is in use.
        ServerError: if TorchServe is another version than the one that is patched, or if a model can't be loaded; the
            message has the cause from the worker's log.
    """
    java = find_java()
    with contextlib.nullcontext() if port is None else hold_port(port, HOST, "--port"), private_folder() as folder:
        address = folder / "inference.sock" if port is None else port
        models = copy_archives(archives, folder / "models", link=link)
        output = TorchServeOutput(instance, models)
        gpus = listed_gpus(os.environ.get(VISIBLE))
        configuration = _configuration(folder, models, address, workers, cpu or gpus == [])
        command = _command(java, folder, configuration, allow_unpatched=ALLOW_UNPATCHED in environment)
        shared = shared or WorkerPaths.create(folder / "shared")
        gateway = {BEHIND_GATEWAY: "1"} if port is None else {}
        variables = {**environment, **gateway, **gpu_environment(gpus), **shared.environment()}
        paths = (str(_WITHOUT_TORCH), variables.get("PYTHONPATH", os.environ.get("PYTHONPATH")))
        variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        with running_process(command, folder, output, WORKER_DEFAULTS, variables) as process:
            server = Server(address, folder, models, shared.request_log, process, output, instance)
            _wait_until_ready(server, shared.ready, timeout, cancelled)
            yield server


def _configuration(folder: Path, models: Mapping[str, Path], address: Address, workers: int, cpu: bool) -> str:
    """Return config.properties with all values filled in."""
    template = string.Template((SETTINGS / "config.properties").read_text())
    values = {
        "inference_address": f"http://{HOST}:{address}" if isinstance(address, int) else f"unix:{address}",
        "folder": folder,
        "load_models": ",".join(f"{name}={path.name}" for name, path in models.items()),
        "workers": workers,
        "gpus": 0 if cpu else _ALL_GPUS,
        "allowed_urls": f"file://{re.escape(str(folder / 'models'))}/.*",
    }
    # Java's property files are ASCII, with the same escapes as JSON.
    return template.substitute({key: json.dumps(str(value))[1:-1] for key, value in values.items()})


def _heap_bytes() -> int:
    """Return the limit of the front end's heap. Buffers outside of the heap may take as much again."""
    return min(max(memory_limit() // _HEAP_SHARE, _MIN_HEAP), _MAX_HEAP)


def _command(java: Path, folder: Path, configuration: str, *, allow_unpatched: bool) -> list[str]:
    """Return the front end's command line, and write the files that it needs into the folder."""
    found = find_spec("ts")
    if found is None or found.origin is None:
        raise ServerError("TorchServe is not installed in this Python; run `pip install torchserve`")
    package = Path(found.origin).parent
    jar = package / "frontend" / "model-server.jar"
    write_patches(package, folder / "classes", allow_unpatched=allow_unpatched)
    (folder / "config.properties").write_text(configuration, encoding="ascii")
    (folder / "tmp").mkdir()
    return [
        str(java),
        # Requests leave small, short-lived objects. Java's default collector lets the heap grow for minutes; with this
        # one the heap keeps its size, at the same throughput.
        *("-XX:+UseSerialGC", "-Xmn64m", f"-Xmx{_heap_bytes() >> 20}m", "-XX:+ExitOnOutOfMemoryError"),
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


def _wait_until_ready(server: Server, ready: Path, timeout: float, cancelled: threading.Event | None) -> None:
    """Return when every worker of every model is ready, by TorchServe's management interface.

    Args:
        server: the instance.
        ready: folder in which workers report that they are ready; its changes show when to ask TorchServe.
        timeout: seconds to wait.
        cancelled: set to end the wait.

    Raises:
        ServerError: if a worker or the front end ends meanwhile, a model is not registered, or the time is over. The
            message has the cause, from the output.
    """
    waiting, until = list(server.models), time.monotonic() + timeout
    pids: dict[str, int] = {}  # of the workers, by TorchServe's number
    changed, changed_at, asked_at = 0, -math.inf, -math.inf
    while waiting:
        if cancelled is not None and cancelled.is_set():
            raise ServerError("TorchServe was stopped while it was starting")
        if server.process.poll() is not None:
            tail = server.output.last_words()
            unpacked = _NO_UNIX_SOCKETS not in tail or not _forbids_execution(server.folder)
            why = "" if unpacked else _NO_EXECUTION.format(server.folder.parent)
            raise ServerError(f"TorchServe ended while it was starting{why}\n{tail}")
        if time.monotonic() > until:
            raise ServerError(f"{', '.join(waiting)} not ready after {timeout:g} s\n{server.output.tail()}")
        now = time.monotonic()
        if (change := ready.stat().st_mtime_ns) != changed:
            changed, changed_at = change, now
        if now > changed_at + _ASK_OFTEN_S and now < asked_at + _ASK_S:
            time.sleep(_POLL_S)
            continue
        asked_at = now
        if workers := _workers(server, waiting[0]):
            # A worker that has ended has the same status as a loading one, until another has its number.
            started = {worker["id"]: worker["pid"] for worker in workers if worker["pid"] > 0}
            if any(pids.setdefault(worker, pid) != pid or has_ended(pid) for worker, pid in started.items()):
                raise ServerError(f"a model can't be loaded: {_cause(server.output)}\n{server.output.tail()}")
            if all(worker["status"] == "READY" for worker in workers):
                waiting.pop(0)
                continue
        time.sleep(_POLL_S)


def _workers(server: Server, model: str) -> list[dict[str, Any]]:
    """Return TorchServe's descriptions of a model's workers; an empty list before it has all of them.

    Raises:
        ServerError: if TorchServe could not read the model's archive.
    """
    try:
        if model in server.registered():
            state = server.describe(model)
            return list(state["workers"]) if len(state["workers"]) >= max(1, state["minWorkers"]) else []
    except OSError:  # not listening yet; before it does, it registers all models
        return []
    raise ServerError(f"TorchServe can't read the archive of {model}\n{server.output.tail()}")


def _forbids_execution(folder: Path) -> bool:
    """Return True if the folder's file system is mounted with noexec."""
    return bool(os.statvfs(folder).f_flag & os.ST_NOEXEC)


def _cause(output: TorchServeOutput) -> str:
    """Return the error that ended a worker: the last line of its traceback, which may come late."""
    before, until = [""], time.monotonic() + _LAST_WORDS_S
    while ((errors := output.worker_errors()) != before or not errors) and time.monotonic() < until:
        before = errors
        time.sleep(_POLL_S)
    # If a handler can't be imported, TorchServe also looks for it in its own package, and fails again.
    relevant = [line for line in errors if "ts.torch_handler" not in line]
    return (relevant or errors or ["its output has no cause"])[-1]
