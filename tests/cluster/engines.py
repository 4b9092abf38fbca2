"""Engines that tests start: the processes of this machine, a Ray cluster of two nodes, and a Spark cluster of two."""

import importlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Engine:
    """An engine with two workers.

    Attributes:
        options: options of the command that runs a job with it.
        variables: environment of the command.
        lose: function that kills the machine of a worker, or what comes next to one.
    """

    options: list[str]
    variables: dict[str, str]
    lose: Callable[[int], None]


@contextmanager
def processes(folder: Path) -> Iterator[Engine]:
    """Two processes. Each is its own machine."""
    yield Engine(["--runner", "processes", "--processes", "2"], {}, lambda process: os.kill(process, signal.SIGKILL))


@contextmanager
def ray(folder: Path) -> Iterator[Engine]:
    """A head that does no work, and two nodes with a core each. A lost node does not come back."""
    pytest.importorskip("ray", reason="needs Ray")
    cluster_utils = importlib.import_module("ray.cluster_utils")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        raylets = {node.all_processes["raylet"][0].process.pid: node for node in nodes}

        def lose(process: int) -> None:
            (raylet,) = {parent.pid for parent in psutil.Process(process).parents()} & raylets.keys()
            cluster.remove_node(raylets[raylet], allow_graceful=False)

        yield Engine(["--runner", "ray"], {"RAY_ADDRESS": cluster.address}, lose)
    finally:
        cluster.shutdown()


@contextmanager
def spark(folder: Path) -> Iterator[Engine]:
    """Two executors with a core each, in processes of their own. Spark starts another one for a lost one."""
    pytest.importorskip("pyspark", reason="needs Spark")

    def lose(process: int) -> None:
        daemon, executor, *_ = psutil.Process(process).parents()
        assert "Executor" in " ".join(executor.cmdline())
        for lost in (executor, daemon, psutil.Process(process)):
            lost.kill()

    variables = {
        "SPARK_MASTER": "local-cluster[2,1,1024]",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder),
    }
    yield Engine(["--runner", "spark"], variables, lose)


ENGINES = {"processes": processes, "ray": ray, "spark": spark}
