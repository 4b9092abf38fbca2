"""Spark: processes of the machines of a Spark cluster, or of this machine."""

import os
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

from bulk.job import Done, Part, Task
from bulk.runners.processes import LOSSES
from bulk.runners.runner import EngineError, LostWorkerError
from bulk.work import Step, run_part
from runtime.errors import InstallationError

_LOOK_S: Final = 0.1  # between two looks for results

Result = Done | Exception


class Spark:
    """Tasks of Spark. Spark gives a part to another process if its process or machine is lost.

    The process keeps the bundle for the next task.

    Args:
        count: number of processes of a Spark on this machine; None for one for each core.
    """

    def __init__(self, count: int | None = None) -> None:
        self._context = _connect(count)

    @property
    def name(self) -> str:
        """Return the address of the cluster."""
        return f"Spark at {self._context.master}"

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Generator[Done]:
        """Run a step with all parts; see `Runner.run`."""
        if not parts:
            return
        # why: collect() returns all results at the end, without progress; an accumulator gets those of each ended task.
        results = self._context.accumulator([], _Results())
        group, failures = f"shopcat-{uuid.uuid4()}", list[Exception]()
        arguments = group, partial(_run, run_part, results, task, step), parts, failures
        thread = threading.Thread(target=self._work, args=arguments, daemon=True)
        thread.start()
        seen = 0
        try:
            while seen < len(parts):
                is_over = not thread.is_alive()
                while seen < len(results.value):
                    result, results.value[seen] = results.value[seen], None  # a survey is not kept in memory
                    seen += 1
                    if isinstance(result, Exception):
                        raise result
                    yield result
                if is_over and failures:
                    text = str(failures[0]).strip().splitlines()[0]
                    raise LostWorkerError(f"Spark lost a part too often: {text}") from failures[0]
                thread.join(_LOOK_S)
        finally:
            self._context.cancelJobGroup(group)
            thread.join()

    def _work(
        self, group: str, work: Callable[[Iterable[Part]], None], parts: Sequence[Part], failures: list[Exception]
    ) -> None:
        """Give all parts to Spark, one to a task, and wait for their end."""
        try:
            self._context.setJobGroup(group, f"shopcat: {len(parts)} parts", interruptOnCancel=True)
            self._context.parallelize(parts, len(parts)).foreachPartition(work)
        except Exception as error:
            failures.append(error)


class _Results:
    """Rule of an accumulator that lists the results of all tasks, always in the same list."""

    def zero(self, value: list[Result]) -> list[Result]:
        """Return what a task begins with."""
        return []

    def addInPlace(self, value1: list[Result], value2: list[Result]) -> list[Result]:  # noqa: N802 - Spark's name
        """Return the results of both."""
        value1 += value2
        return value1


def _run(
    work: Callable[[Task, Step, Part], Done], results: Any, task: Task, step: Step, parts: Iterable[Part]
) -> Iterator[None]:
    """Run a step with the parts of a task of Spark.

    An error is a result. Spark would repeat the task four times for it, and keep only its text.
    """
    for part in parts:
        try:
            results.add([work(task, step, part)])
        except Exception as error:
            error.add_note(traceback.format_exc())
            results.add([error])
    return iter(())


def _connect(count: int | None) -> Any:
    """Return the context of spark-submit, of the cluster of SPARK_MASTER, or of a new Spark on this machine.

    Raises:
        InstallationError: if Spark is not installed.
        EngineError: if it does not start.
    """
    try:
        sql = import_module("pyspark.sql")
    except ImportError:
        raise InstallationError(
            "--runner spark needs Spark, which is not installed; run `pip install 'shopcat[spark]'`"
        ) from None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark's default is the python3 of PATH
    # why: Spark's bar of progress would overwrite the job's own lines.
    builder = sql.SparkSession.builder.appName("shopcat").config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.task.maxFailures", LOSSES)
    if "PYSPARK_GATEWAY_PORT" not in os.environ:  # spark-submit sets it, and says where the cluster is
        # why LOSSES: Spark on one machine ends a job at the first lost process, unless a setting says otherwise.
        builder = builder.master(os.environ.get("SPARK_MASTER", f"local[{count or '*'},{LOSSES}]"))
    try:
        context = builder.getOrCreate().sparkContext
    except Exception as error:  # of py4j, for all that can be wrong
        text = str(error).strip().splitlines()[0].rstrip(".")
        remedy = "is JAVA_HOME a Java 17 or 21, and SPARK_MASTER the address of a cluster?"
        raise EngineError(f"Spark does not start: {text}; {remedy}") from error
    context.setLogLevel("ERROR")
    return context
