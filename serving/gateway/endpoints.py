"""Endpoint files: the instances that may receive the requests to each model, for Envoy."""

import ctypes
import errno
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

logger = logging.getLogger(__name__)

Health = Literal["HEALTHY", "UNHEALTHY", "DRAINING"]
Routes = Mapping[str, Mapping[Path, Health]]  # by model and by the Unix socket of an instance

_BYTES = 32_768  # of a file: 100 instances
_EXCHANGE, _AT_FDCWD = 2, -100  # of renameat2


class EndpointFiles:
    """A file of endpoints for each model, which Envoy watches.

    A full disk stops no change: each model has two files whose blocks are allocated at the start. A change overwrites
    the file that Envoy does not read, and exchanges the names of the two in one step.
    """

    def __init__(self, folder: Path, models: Iterable[str]) -> None:
        """Allocate the files, without any endpoint.

        Raises:
            OSError: if the disk is full.
        """
        self._folder = folder
        self._written: dict[str, Mapping[Path, Health]] = {}
        self._lock, self._failing = threading.Lock(), False
        for model in models:
            for _ in range(2):
                self._write(model, {})

    def write(self, routes: Routes) -> bool:
        """Pass the health of each model's instances to Envoy, if it has changed.

        Returns:
            True if the files are up to date. Otherwise Envoy goes on with the previous ones, and the log has the cause.
        """
        with self._lock:
            try:
                for model, instances in routes.items():
                    if self._written.get(model) != instances:
                        self._write(model, instances)
            except OSError as error:
                if not self._failing:
                    logger.error("a change of the instances does not reach the gateway; trying again: %s", error)
                self._failing = True
                return False
            if self._failing:
                logger.warning("the gateway knows the instances again")
            self._failing = False
            return True

    def _write(self, model: str, instances: Mapping[Path, Health]) -> None:
        endpoints = [
            {"endpoint": {"address": {"pipe": {"path": str(socket)}}}, "health_status": health}
            for socket, health in instances.items()
        ]
        assignment = {
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": model,
            "endpoints": [{"lb_endpoints": endpoints}],
        }
        text = json.dumps({"version_info": str(time.time_ns()), "resources": [assignment]}).encode()
        spare, file = self._folder / f"{model}.endpoints.spare", self._folder / f"{model}.endpoints.yaml"
        descriptor = os.open(spare, os.O_WRONLY | os.O_CREAT, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(text.ljust(_BYTES))
            stream.truncate()
        _exchange(spare, file)
        self._written[model] = dict(instances)


def _exchange(new: Path, file: Path) -> None:
    """Exchange the names of two files in one step. Where that is impossible, the new one replaces the other."""
    if sys.platform == "linux" and file.exists():
        library = ctypes.CDLL(None, use_errno=True)
        if hasattr(library, "renameat2"):
            paths = (_AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(file))
            if library.renameat2(*paths, _EXCHANGE) == 0:
                return
            if (code := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOSYS):
                raise OSError(code, os.strerror(code), str(file))
    new.replace(file)
