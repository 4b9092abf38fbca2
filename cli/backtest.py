"""Command that judges the sales training at rolling origins."""

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.common import DEVICE, FILE_OR_FOLDER, FOLDER, FORCE, JOBS, command, this_command
from cli.options import given_options, training_options
from training.sales.options import Options


def _dates(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[dt.date, ...]:
    """Read comma-separated dates."""
    try:
        return tuple(dt.date.fromisoformat(part.strip()) for part in (text or "").split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a comma-separated list of dates, like 2015-01-31") from None


def _names(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """Read comma-separated names."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@click.command()
@click.argument("data", type=FILE_OR_FOLDER)
@click.option("--out", type=FOLDER, default=Path("backtest"), show_default=True, help="Folder for the report.")
@click.option("--windows", default=4, show_default=True, type=click.IntRange(1), help="Number of windows.")
@click.option(
    "--step",
    type=click.IntRange(1),
    help="Days from one window's start to the next.  [default: spread over a year, in whole weeks]",
)
@click.option(
    "--cutoffs",
    callback=_dates,
    help="Last days whose sales are known, separated by commas, in place of --windows and --step.",
)
@click.option("--days", type=click.IntRange(1), help="Days in a window.  [default: the model's horizon]")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="Number of fits in each window.")
@click.option(
    "--baselines",
    callback=_names,
    default="last-year,weekday-promotion,ridge,lightgbm",
    show_default=True,
    help="Forecasts to compare with, separated by commas. `lesson` is the network of the fast.ai lesson; it takes as "
    "long as the model.",
)
@click.option(
    "--intervals/--no-intervals",
    default=True,
    show_default=True,
    help="Judge intervals too. Each window is then calibrated on windows before it, which take further fits.",
)
@click.option(
    "--new-stores",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the stores whose sales no fit sees. They are judged apart, as new stores.",
)
@JOBS
@click.option("--fresh", is_flag=True, help="Start anew, even if an interrupted backtest could be resumed.")
@FORCE
@training_options(Options, leave_out=("seed", "beyond_horizon", "holdout", "refit"))
@DEVICE
@command
def backtest(
    data: Path,
    out: Path,
    windows: int,
    step: int | None,
    cutoffs: tuple[dt.date, ...],
    days: int | None,
    seeds: int,
    baselines: tuple[str, ...],
    intervals: bool,
    new_stores: float,
    jobs: int | None,
    fresh: bool,
    force: bool,
    device: str | None,
    **given: Any,
) -> None:
    """Judge the sales model on windows of the past.

    DATA is a file or a folder with tables, as for a training. Each window is forecast by a model that is trained on the
    sales before it alone. The report has the errors by window, week of the horizon and slice, beside those of
    baselines, as Markdown, JSON and CSV. The same command resumes an interrupted run.
    """
    import numpy as np

    from runtime.folder import check_target
    from training.checkpoint_folder import check_options
    from training.device import pick_training_device
    from training.sales.backtest.report import summary_lines, write_backtest
    from training.sales.backtest.run import Settings
    from training.sales.backtest.run import backtest as run_backtest
    from training.sales.data.tables import read_tables
    from training.sales.fits.windows import checked_cutoffs, rolling_cutoffs

    options = Options.of(**given_options(Options, given))
    check_target(out, replace=force, remedy=", or replace it with --force")
    if not fresh:
        check_options(out, asdict(options))
    tables = read_tables(data)
    length = days or options.horizon
    chosen = (
        checked_cutoffs(tables, [np.datetime64(date) for date in cutoffs], days=length)
        if cutoffs
        else rolling_cutoffs(tables, windows=windows, days=length, step=step)
    )
    training_device = pick_training_device(device)
    settings = Settings(
        chosen, length, options, seeds, baselines, jobs, training_device, intervals=intervals, new_stores=new_stores
    )
    result = run_backtest(tables, out, settings, resume=not fresh)
    figures = write_backtest(out, result, command=this_command(), replace=force)
    click.echo("\n".join(summary_lines(figures)))
    click.echo(f"{len(chosen)} windows of {length} days after {', '.join(figures.cutoffs)}")
    click.echo(f"report: {out / 'report.md'}")
