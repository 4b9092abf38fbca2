"""What a server's workers write for the process that started it: figures, who is ready, the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# prometheus-client's own name: with it set, figures go to files that processes share.
METRICS_FOLDER, READY_FOLDER, AUDIT_LOG = "PROMETHEUS_MULTIPROC_DIR", "SHOPCAT_READY_FOLDER", "SHOPCAT_AUDIT_LOG"


@dataclass(frozen=True)
class Shared:
    """The places, made by `make`.

    Attributes:
        metrics: a folder of prometheus-client's files.
        ready: a folder with a file for each worker that is ready.
        audit_log: a file of JSON lines.
    """

    metrics: Path
    ready: Path
    audit_log: Path

    @classmethod
    def make(cls, folder: Path, audit_log: Path | None = None) -> "Shared":
        """Make the folders in a folder; the audit log goes there too if it has no other place."""
        made = cls(folder / "metrics", folder / "ready", (audit_log or folder / "audit.jsonl").absolute())
        made.metrics.mkdir(parents=True)
        made.ready.mkdir()
        made.audit_log.parent.mkdir(parents=True, exist_ok=True)
        return made

    def environment(self) -> Mapping[str, str]:
        """What tells the workers."""
        return {METRICS_FOLDER: str(self.metrics), READY_FOLDER: str(self.ready), AUDIT_LOG: str(self.audit_log)}
