"""The runners that a service can have, as tests start them and find their processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from serving.python.runner import PythonRunner
from serving.runner import Runner
from serving.torchserve.runner import TorchServeRunner


@dataclass(frozen=True)
class RunnerKind:
    """A runner.

    Attributes:
        name: value of ``--runner``.
        first: word in the command line of an instance's first process, and of no other process.
        worker: word in the command line of a worker.
        title: name of an instance in log lines, without its number.
        process: kind of an instance's first process in metrics.
        source: source of the log lines of an instance's first process.
        two_instances: options for two instances with a worker each.
        gateway: settings of the gateway that the runner needs.
    """

    name: str
    first: str
    worker: str
    title: str
    process: str
    source: str
    two_instances: tuple[str, ...]
    gateway: Mapping[str, Any]

    def make(self, workers: int = 0, environment: Mapping[str, str] = {}, *, cpu: bool = True) -> Runner:
        """Return a runner with some workers of each model; by default one for each GPU, or CPU core."""
        if self.name == "python":
            return PythonRunner(workers, cpu=cpu, environment=environment)
        return TorchServeRunner(workers=workers, cpu=cpu, environment=environment)


TORCHSERVE = RunnerKind(
    name="torchserve",
    first="org.pytorch.serve.ModelServer",
    worker="model_service_worker",
    title="TorchServe instance",
    process="frontend",
    source="torchserve",
    two_instances=("--instances", "2", "--workers", "1"),
    gateway={"health_check_interval": 0.2},
)
PYTHON = RunnerKind(
    name="python",
    first="handlers.python",
    worker="handlers.python",
    title="worker",
    process="worker",
    source="worker",
    two_instances=("--workers", "2"),
    gateway={"health_check_interval": None},
)
KINDS = [TORCHSERVE, PYTHON]


def only(kind: RunnerKind) -> pytest.MarkDecorator:
    """Return the mark of a test of one runner's own."""
    return pytest.mark.parametrize("runner", [kind], indirect=True, scope="module", ids=[kind.name])


only_torchserve, only_python = only(TORCHSERVE), only(PYTHON)
