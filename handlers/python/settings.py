"""Settings of a worker, which the process that starts it writes to a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Limit:
    """Limit of the expensive requests to one address.

    Attributes:
        max_concurrent: number of them that may be in progress at a time.
        min_body_bytes: size of the smallest body that counts as expensive.
    """

    max_concurrent: int
    min_body_bytes: int = 0


@dataclass(frozen=True)
class Limits:
    """Limits of the requests in progress; without any, a gateway has the limits.

    Attributes:
        max_concurrent: number of requests of all kinds; None for no limit.
        expensive: further limits by ``predictions`` and ``explanations``.
    """

    max_concurrent: int | None = None
    expensive: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """Settings of a worker.

    Attributes:
        bundle: folder of the bundle.
        model: name of the model, as in ``/predictions/NAME``.
        socket: path of the Unix socket to listen on; empty for a port.
        host: IP address of the port.
        port: port that all workers of the model share.
        gpu: number of the GPU; None for the CPU.
        threads: number of threads of the network on the CPU.
        batch_size: largest number of requests in a batch.
        timeout: seconds for a batch.
        max_body: size of the largest accepted body in bytes.
        limits: limits of the requests in progress.
        idle_at_stop: seconds that a stop waits for requests on connections that are open and idle.
        heartbeat: file that the worker touches every second; empty for none.
    """

    bundle: str
    model: str
    socket: str = ""
    host: str = ""
    port: int = 0
    gpu: int | None = None
    threads: int = 1
    batch_size: int = 1
    timeout: float = 60.0
    max_body: int = 10_485_760
    limits: Limits = field(default_factory=Limits)
    idle_at_stop: float = 0.0
    heartbeat: str = ""

    def write(self, file: Path) -> None:
        """Write the settings as JSON."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> "Settings":
        """Return the settings of a file."""
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        limits = content.pop("limits")
        expensive = {path: Limit(**limit) for path, limit in limits["expensive"].items()}
        return cls(**content, limits=Limits(limits["max_concurrent"], expensive))
