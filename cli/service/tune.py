"""`shopcat tune`: measure this machine, and write the settings that serve a bundle best on it."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import FILE, FOLDER, RUNNER, command

if TYPE_CHECKING:
    from serving.runner import Runner
    from serving.tuning.search import Measured


@click.command()
@click.argument("bundle", type=FOLDER)
@RUNNER
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("tuned.yaml"),
    show_default=True,
    help="File for the settings. Those of other bundles are kept, if they are of this machine and runner.",
)
@click.option(
    "--request",
    type=FILE,
    help="File to send as the body of each request, such as a usual photo.  [default: a worker's first request]",
)
@click.option("--cpu", is_flag=True, help="Compute on the CPU, even if there is a GPU.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1, 100), help="Number of measurements.")
@click.option(
    "--seconds", default=1.0, show_default=True, type=click.FloatRange(0.1, 60), help="Length of each measurement."
)
@click.option(
    "--longest-wait",
    default=20.0,
    show_default=True,
    type=click.FloatRange(1, 60_000),
    help="Milliseconds that an accepted request may wait for those before it. More requests are rejected.",
)
@command
def tune(
    bundle: Path,
    runner: str,
    out: Path,
    request: Path | None,
    cpu: bool,
    rounds: int,
    seconds: float,
    longest_wait: float,
) -> None:
    """Find the settings that serve BUNDLE best on this machine.

    The command runs the service with several numbers of workers side by side, and measures them in turns. Then it does
    the same for the threads of a worker, the gateway's threads and the size of a batch. It prints the tables, and
    writes the settings to a file for `shopcat serve --tuned FILE`. Stop other programs first: they take part in the
    measurement.
    """
    import tempfile
    from pkgutil import resolve_name

    from runtime.bundle import kind_of, name_of
    from runtime.cores import n_cores
    from runtime.device import count_gpus
    from serving.admission import model_settings
    from serving.archives.archive import archive, check_bundles
    from serving.python.runner import PythonRunner
    from serving.torchserve.runner import TorchServeRunner
    from serving.tuning.search import Bench, Candidate, Measured, best, max_concurrent, searches
    from serving.tuning.tuned import Machine, Tuned, TunedModel

    check_bundles([bundle])
    if out.exists():
        Tuned.read(out)  # a file that is something else is not replaced
    if request:
        body = request.read_bytes()
    else:
        body = resolve_name(f"handlers.{kind_of(bundle)}:HANDLER")(bundle, device="cpu").first_request().body()

    def make_archive(candidate: Candidate, folder: Path) -> Path:
        return archive(
            bundle,
            folder,
            {"threads": candidate.threads, "batchSize": candidate.batch_size, "max_concurrent": 1000},
            gpu=gpus > 0,
        )

    def make_runner(candidate: Candidate) -> "Runner":
        if runner == "python":
            return PythonRunner(candidate.workers, cpu)
        return TorchServeRunner(workers=candidate.workers, cpu=cpu)

    content_type = "application/json" if body.startswith(b"{") else "application/octet-stream"
    bench = Bench(name_of(bundle), body, content_type, make_archive, make_runner, rounds, seconds)
    gpus = 0 if cpu else count_gpus()
    with tempfile.TemporaryDirectory() as folder:
        default = model_settings(archive(bundle, Path(folder), gpu=gpus > 0)).batchSize
    click.echo(f"measuring {bundle} with the runner {runner}, {rounds} rounds of {seconds:g} s ...\n")
    chosen: Measured | None = None
    for step, candidates in searches(n_cores(), gpus, default):
        found = candidates(chosen.candidate if chosen else None)
        if chosen is not None and len(found) == 1:
            continue
        with _quiet("serving.output", "serving.supervised"):
            measured = bench.measure(found)
        chosen = best(measured)
        click.echo(f"{step}:")
        _print(measured, chosen)
    assert chosen
    model = TunedModel(
        workers=chosen.candidate.workers,
        threads=chosen.candidate.threads,
        batch_size=chosen.candidate.batch_size,
        max_concurrent=max_concurrent(chosen, longest_wait / 1000),
    )
    Tuned(
        machine=Machine.here(),
        runner="python" if runner == "python" else "torchserve",
        gateway_threads=chosen.candidate.gateway_threads,
        models={name_of(bundle): model},
    ).write(out)
    if model.workers == 1:
        click.echo("with one worker, requests are rejected for the seconds in which a dead worker is replaced")
    click.echo(
        f"each worker may have {model.max_concurrent} requests in progress\n"
        f"{out} has the settings; serve with them: shopcat serve {bundle} --runner {runner} --tuned {out}"
    )


@contextmanager
def _quiet(*packages: str) -> Iterator[None]:
    """Log no line of services, which start and stop all the time, until the block ends."""
    loggers = [logging.getLogger(package) for package in packages]
    before = [quiet.level for quiet in loggers]
    for quiet in loggers:
        quiet.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for quiet, level in zip(loggers, before, strict=True):
            quiet.setLevel(level)


def _print(measured: "Iterable[Measured]", chosen: "Measured") -> None:
    """Print a table of candidates, with a mark at the chosen one."""
    click.echo("  workers  threads  gateway threads  batch size  requests/s  p50, ms  memory, MiB")
    for found in measured:
        candidate, mark = found.candidate, "*" if found is chosen else " "
        click.echo(
            f"{mark} {candidate.workers:7}  {candidate.threads:7}  {candidate.gateway_threads:15}  "
            f"{candidate.batch_size:10}  {found.rate:10,.0f}  {found.p50:7.2f}  {found.footprint >> 20:11,}"
        )
    click.echo()
