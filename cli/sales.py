"""Commands of the sales model."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cli.common import DEVICE, FILE_OR_FOLDER, FOLDER, JOBS, command, this_command, verified_bundle
from cli.options import (
    PLOT,
    RunArguments,
    given_options,
    plot_and_print,
    print_written,
    report_arguments,
    report_title,
    training_command,
    training_options,
)
from training.sales.options import QUICK, Options


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--stores", default=40, show_default=True, type=click.IntRange(1, 5000), help="Number of stores.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="Random seed of the tables.",
)
@command
def demo(folder: Path, stores: int, seed: int) -> None:
    """Write synthetic tables to train on.

    Writes seven CSV files to FOLDER, in the format that training reads. Their sales depend in a known way on weekday,
    promotion, holidays, season, weather and competition. A README.txt and a marker file say that they are synthetic.
    """
    from training.sales.data.demo import write_demo

    write_demo(folder, stores=stores, seed=seed)
    click.echo(f"{folder}: seven synthetic tables of {stores} stores. Train on them: shopcat train sales {folder}")


@click.command("sales")
@training_command("sales")
@training_options(Options)
@click.option(
    "--require-better-than-baseline",
    is_flag=True,
    help="Fail, and write no bundle, if the model is not better than both baselines on the holdout. Otherwise the "
    "command only warns.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Train in a fraction of the time, to try something out: fewer epochs and trees, and intervals from the "
    "holdout alone.",
)
@JOBS
@DEVICE
@command
def train_sales(
    data: Path,
    arguments: RunArguments,
    require_better_than_baseline: bool,
    quick: bool,
    jobs: int | None,
    **given: Any,
) -> None:
    """Train the sales model on tables.

    DATA is a CSV or Parquet file with the columns store, date and sales. Or it is a folder with such a file, named
    sales.csv, and optionally stores.csv, plan.csv, weather.csv and events.csv. Or it is a folder with the files of
    fastai's rossmann.tgz. The model is evaluated on the last days, which it has not seen, and then fitted to all days.
    The same command resumes an interrupted run after its last finished epoch.
    """
    from training.checkpoint_folder import check_options
    from training.sales.data.tables import read_tables
    from training.sales.report import write_report
    from training.sales.train import Trained, train

    options = Options.of(**{**(QUICK if quick else {}), **given_options(Options, given)})
    report_folder = arguments.checked_report()
    if not arguments.fresh:
        check_options(arguments.out, asdict(options))
    tables = read_tables(data)

    def write(trained: Trained) -> None:
        write_report(
            report_folder,
            trained.evaluation,
            synthetic=trained.manifest.synthetic,
            mode=trained.manifest.mode,
            intervals=trained.manifest.metrics.get("intervals"),
            **report_arguments(trained),
        )

    manifest = train(
        tables,
        arguments.out,
        options,
        arguments.run(write),
        require_better_than_baseline=require_better_than_baseline,
        jobs=jobs,
    ).manifest
    _print_figures(manifest.metrics)
    print_written(arguments.out, report_folder, manifest.version)


@click.command("sales")
@click.argument("data", type=FILE_OR_FOLDER)
@PLOT
@training_options(Options, leave_out=("beyond_horizon", "refit"))
@DEVICE
@command
def lr_find_sales(data: Path, out: Path, device: str | None, **given: Any) -> None:
    """Find a learning rate for the sales model.

    Trains on the tables in DATA for up to 100 steps while the learning rate rises, plots the losses and suggests a
    rate.
    """
    from runtime.folder import check_file
    from training.device import pick_training_device
    from training.sales.data.panel import panel_from_tables
    from training.sales.data.tables import read_tables
    from training.sales.fit import lr_find
    from training.sales.train import holdout_cutoff

    options = Options.of(**given_options(Options, given))
    check_file(out)
    tables = read_tables(data).in_country(options.country)
    tables.check_mode(options.mode)
    panel = panel_from_tables(tables, cutoff=holdout_cutoff(tables, options))
    found = lr_find(panel, options, device=pick_training_device(device))
    plot_and_print(found, out)


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("store")
@click.argument("date")
@DEVICE
@command
def explain(bundle: Path, store: str, date: str, device: str | None) -> None:
    """Explain the forecast of a STORE on a DATE.

    Prints the contribution of each group of inputs as a factor, relative to an ordinary day, and the largest
    contributions of inputs within the group. The figures are those of /explanations/sales.
    """
    from runtime.device import pick_device
    from runtime.errors import UserError
    from sales.forecaster import Forecaster
    from schemas.problem_kinds import type_uri
    from schemas.problems import Problem, ProblemError
    from schemas.sales.explanation import Explanation
    from schemas.sales.parse import parse_request

    forecaster = Forecaster.load(bundle, device=pick_device(device), threads=0)
    try:
        item = {"store": forecaster.store_id(store), "date": date}
        (answer,) = forecaster.predict([parse_request(item, explain=True)])
    except ProblemError as error:
        answer = error.problem
    if isinstance(answer, Problem):
        wrong = [f"{error.path.strip('/').upper()} is {error.value}: {error.detail}" for error in answer.errors]
        raise UserError("; ".join(wrong) if answer.type == type_uri("invalid-request") else answer.detail)
    assert isinstance(answer, Explanation)
    baseline = answer.baseline
    click.echo(f"store {store} on {date}: {answer.sales:,.7g} by {answer.model} {answer.version}")
    click.echo(f"an ordinary day, store {baseline.store} on {baseline.date}: {baseline.sales:,.7g}")
    if answer.unexplained:
        click.echo(answer.unexplained)
    for group in answer.groups:
        inputs = [entry for entry in answer.contributions if entry.group == group.group and entry.log][:3]
        largest = ", ".join(f"{entry.input} x {entry.multiplier:.3f}" for entry in inputs)
        click.echo(f"  x {group.multiplier:.3f}  {group.group:<12}{largest}".rstrip())


def evaluate(
    bundle: Path,
    data: Path,
    report: Path,
    *,
    stores: tuple[str, ...],
    prometheus: Path | None,
    unlike: Path | None,
    device: str,
) -> None:
    """Evaluate a sales bundle on later sales, write a report and print its figures."""
    from runtime.folder import write_file
    from runtime.words import counted
    from sales.bundle import read_manifest
    from sales.forecaster import Forecaster
    from training.sales.baselines import shortfall
    from training.sales.data.tables import read_tables
    from training.sales.evaluation import evaluate
    from training.sales.intervals.prometheus import gauges
    from training.sales.report import write_report

    if unlike is not None:
        raise click.UsageError("--unlike is for pets bundles; this is a sales bundle")
    forecaster = Forecaster.load(bundle, device=device, threads=0)
    tables = read_tables(data).in_country(read_manifest(bundle).training.get("country"))
    result = evaluate(forecaster, tables)
    write_report(
        report,
        result,
        title=report_title("sales", forecaster.name, forecaster.version),
        stores=stores or None,
        synthetic=tables.synthetic,
        mode=forecaster.model.features.mode,
        command=this_command(),
    )
    figures = result.metrics()
    _print_figures(figures)
    if prometheus is not None:
        write_file(prometheus, gauges(figures, model=forecaster.name, version=forecaster.version).encode())
        click.echo(f"Prometheus gauges: {prometheus}")
    for reason, count in result.skipped.items():
        click.echo(f"not judged: {counted(count, 'store-day')} on {reason}")
    if worse := shortfall(figures):
        click.echo(f"WARNING: {worse}", err=True)


def check(bundle: Path, device: str) -> str:
    """Verify a sales bundle and return its description.

    Raises:
        BundleError: if a file or a golden row differs from what training wrote.
    """
    from sales.bundle import load
    from sales.forecaster import Forecaster

    loaded = load(bundle)
    Forecaster.load(bundle, device=device)
    manifest = loaded.manifest
    description = f"{manifest.mode} mode, cutoff {manifest.cutoff}{', SYNTHETIC' if manifest.synthetic else ''}"
    golden = f"{len(loaded.golden)} golden rows"
    return verified_bundle(bundle, manifest, description, n_files=len(manifest.files), golden=golden, device=device)


def first_answer(url: str, bundle: Path, ask: Callable[[bytes, str], bytes]) -> str:
    """Return the model's address and a curl command with its answer: the first store's sales on the first future day.

    Args:
        url: address of the model for clients.
        bundle: folder of the bundle that is served.
        ask: function that sends a body of a content type to the model and returns its answer.
    """
    from datetime import timedelta

    from sales.bundle import read_manifest

    manifest = read_manifest(bundle)
    body = json.dumps({"store": manifest.levels["Store"][0], "date": str(manifest.cutoff + timedelta(days=1))})
    answer = ask(body.encode(), "application/json").decode()
    return f"{url}\n\ncurl -s {url} -H 'Content-Type: application/json' -d '{body}'\n{answer}\n"


def _print_figures(figures: dict[str, Any]) -> None:
    """Print the most important figures, and those of the baselines, in a line each."""
    from runtime.words import counted

    click.echo(
        f"{figures['from']} to {figures['to']}, {counted(figures['rows'], 'row')}: RMSPE {figures['rmspe']:.4f}, "
        f"WAPE {figures['wape']:.4f}, bias {figures['bias']:+.4f}"
    )
    if intervals := figures.get("served_intervals"):
        totals = figures["served_totals"]
        click.echo(
            f"80 % intervals covered {intervals['coverage_80']:.1%}, 90 % intervals {intervals['coverage_90']:.1%}, "
            f"and of the totals {totals['coverage_80']:.1%} and {totals['coverage_90']:.1%}"
        )
    if mean := figures.get("weekday_promotion_mean"):
        click.echo(f"weekday-and-promotion mean, the same rows: RMSPE {mean['rmspe']:.4f}, WAPE {mean['wape']:.4f}")
    if naive := figures.get("last_year_same_weekday"):
        ours = figures["where_last_year_is_known"]
        click.echo(
            f"last year's same weekday, {counted(naive['rows'], 'row')}: RMSPE {naive['rmspe']:.4f}; "
            f"the model on these rows: {ours['rmspe']:.4f}"
        )
