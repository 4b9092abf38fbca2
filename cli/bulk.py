"""Jobs over many files, as `forecast` and `classify` run them when they write a folder."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:  # --help should not wait for their imports
    from bulk.driver import Progress, Summary
    from bulk.job import BadRows, Kind
    from bulk.runners.runner import Runner

F = TypeVar("F", bound=Callable[..., None])

LATER = os.EX_TEMPFAIL  # exit code of a job that continues when it is run again; Python's own for a fault is 1
_CONTINUES = "The same command continues from here."
_EVERY_S = 5.0  # between two lines of progress


def job_options(function: F) -> F:
    """Add the options of jobs to a command."""
    for option in (
        click.option(
            "--bad-rows",
            type=click.Choice(["refuse", "keep"]),
            default="refuse",
            show_default=True,
            help="For a job: end it at a row or photo that can't be answered, or keep it with its problem.",
        ),
        click.option(
            "--processes",
            type=click.IntRange(1),
            help="For a job: number of processes, each with the bundle in memory. Ray computes at most as many parts "
            "at once, and a cluster of Spark ignores the option.  [default: one for each core]",
        ),
        click.option(
            "--runner",
            type=click.Choice(["processes", "ray", "spark"]),
            default="processes",
            show_default=True,
            help="For a job: processes of this machine, or an engine for several machines.",
        ),
    ):
        function = option(function)
    return function


def is_job(out: str | None) -> bool:
    """Return True if an output is a folder or an address, so that a job writes it."""
    return out is not None and (out.endswith("/") or "://" in out or Path(out).is_dir())


def run(
    kind: "Kind",
    bundle: Path,
    inputs: tuple[str, ...],
    out: str,
    options: dict[str, Any],
    *,
    bad_rows: "BadRows",
    runner: str,
    processes: int | None,
    device: str | None,
) -> None:
    """Run a job to its end, and print what it wrote.

    Args:
        kind: kind of the bundle.
        bundle: folder of the bundle.
        inputs: files, folders and addresses to read.
        out: folder or address to write.
        options: options of the answers.
        bad_rows: what becomes of a row that can't be answered.
        runner: name of the runner.
        processes: number of processes; None for one for each core.
        device: device of each worker; None for a GPU if it has one.

    Raises:
        SystemExit: with `LATER` if another try continues the job.
    """
    from importlib.metadata import version

    from bulk.cuts import sizes
    from bulk.driver import run_job
    from bulk.inputs import absolute, find_files
    from bulk.job import Job
    from bulk.runners.runner import LostWorkerError
    from bulk.storage.storage import UnavailableError
    from runtime.bundle import MANIFEST, kind_of
    from runtime.folder import sha256
    from runtime.words import counted

    if kind_of(bundle) != kind:
        raise click.UsageError(f"{bundle} is a bundle of the kind {kind_of(bundle)}, not {kind}")
    digest, output, places = sha256(bundle / MANIFEST), absolute(out), tuple(map(absolute, inputs))
    try:
        job = Job(
            kind,
            absolute(str(bundle)),
            digest,
            find_files(kind, places, output),
            output,
            options,
            bad_rows,
            version("shopcat"),
            sizes(kind),
            device,
            places,
        )
        chosen = _runner(runner, processes)
        click.echo(f"job {job.id}: {counted(len(job.files), 'file')}, {chosen.name}", err=True)
        summary = run_job(job, chosen, _Lines())
    except (UnavailableError, LostWorkerError) as error:
        click.echo(f"Error: {error}. {_CONTINUES}", err=True)
        raise SystemExit(LATER) from None
    except KeyboardInterrupt:
        click.echo(f"Interrupted. {_CONTINUES}", err=True)
        raise SystemExit(130) from None
    _echo(out, summary)


def _runner(name: str, processes: int | None) -> "Runner":
    """Return a runner by its name."""
    if name == "ray":
        from bulk.runners.ray import Ray

        return Ray(processes)
    if name == "spark":
        from bulk.runners.spark import Spark

        return Spark(processes)
    from bulk.runners.processes import Processes
    from runtime.cores import n_cores

    return Processes(processes or n_cores())


class _Lines:
    """Progress in lines: the first, the last, and one every few seconds; a terminal has one line that changes."""

    def __init__(self) -> None:
        self._begin = self._last = time.monotonic()
        self._step, self._first = "", 0

    def __call__(self, progress: "Progress") -> None:
        """Show how far a job is."""
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if progress.step != self._step:
            self._begin, self._step, self._first = self._last, progress.step, progress.parts - 1
        ended = progress.parts == progress.all_parts
        if not ended and now - self._last < (0.2 if terminal else _EVERY_S):
            return
        self._last = now
        seconds = max(now - self._begin, 1e-9)
        left = seconds / (progress.parts - self._first) * (progress.all_parts - progress.parts)
        parts = f"{progress.parts:,} of {progress.all_parts:,} parts"
        text = f"{progress.step}: {parts}, {progress.rows / seconds:,.0f} rows/s"
        text += "" if ended else f", about {_duration(left)} left"
        click.echo(f"\r{text:<79}" if terminal else text, err=True, nl=ended or not terminal)


def _duration(seconds: float) -> str:
    """Return a time in words, such as "3 min"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _echo(out: str, summary: "Summary") -> None:
    """Print what a job wrote."""
    from runtime.words import counted

    earlier = f", {summary.earlier:,} of them there before" if summary.earlier else ""
    click.echo(f"{out}: {counted(summary.rows, 'row')} in {counted(summary.parts, 'file')}{earlier}")
    if summary.bad:
        click.echo(f"  {counted(summary.bad, 'row')} with a problem, in the column problem")
    for code, number in sorted(summary.notes.items()):
        click.echo(f"  {counted(number, 'row')}: {code.replace('_', ' ')}")
