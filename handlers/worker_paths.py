"""Paths that workers write to and the process that started them reads: metrics, readiness, the request log."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Environment variables. The first is prometheus-client's own: with it set, processes share metrics in files.
METRICS_FOLDER, READY_FOLDER, REQUEST_LOG = "PROMETHEUS_MULTIPROC_DIR", "SHOPCAT_READY_FOLDER", "SHOPCAT_REQUEST_LOG"

IN_HAND = "in_hand"  # in the folder of ready workers: the requests that workers compute (handlers/safeguards/poison.py)


@dataclass(frozen=True)
class WorkerPaths:
    """Paths shared with all workers of a server; `create` makes the folders.

    Attributes:
        metrics: folder of prometheus-client's files.
        ready: folder with a file for each ready worker.
        request_log: file of JSON lines.
    """

    metrics: Path
    ready: Path
    request_log: Path

    @classmethod
    def create(cls, folder: Path, request_log: Path | None = None) -> "WorkerPaths":
        """Create the folders inside ``folder``. The default of ``request_log`` is ``requests.jsonl`` in it."""
        paths = cls(folder / "metrics", folder / "ready", (request_log or folder / "requests.jsonl").absolute())
        paths.metrics.mkdir(parents=True)
        paths.ready.mkdir()
        paths.request_log.parent.mkdir(parents=True, exist_ok=True)
        return paths

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables that pass the paths to the workers."""
        return {METRICS_FOLDER: str(self.metrics), READY_FOLDER: str(self.ready), REQUEST_LOG: str(self.request_log)}
