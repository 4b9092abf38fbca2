"""The sales model's commands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.common import DEVICE, FILE, FOLDER, FORCE, command, this_command
from cli.options import given_options, training_options
from training.sales.options import Options


@click.command()
@click.argument("folder", type=FOLDER)
@click.option("--stores", default=40, show_default=True, type=click.IntRange(1, 5000), help="How many stores.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="The same seed gives the same tables."
)
@command
def demo(folder: Path, stores: int, seed: int) -> None:
    """Write made-up tables to train on.

    FOLDER gets seven CSV files in the format that training reads. They are synthetic and say so: known effects of
    weekday, promotion, holidays, season, weather and competition.
    """
    from training.sales.data.demo import write_demo

    write_demo(folder, stores=stores, seed=seed)
    click.echo(f"{folder}: seven synthetic tables of {stores} stores. Train on them: shopcat train sales {folder}")


@click.command("sales")
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, default=Path("model_store/sales"), show_default=True, help="The bundle's folder.")
@click.option("--report", type=FOLDER, help="The report's folder.  [default: report/ beside the bundle]")
@click.option("--name", default="sales", show_default=True, help="The model's name.")
@click.option("--fresh", is_flag=True, help="Start anew, even if an interrupted run could go on.")
@FORCE
@training_options(Options)
@DEVICE
@command
def train_sales(
    data: Path, out: Path, report: Path | None, name: str, fresh: bool, force: bool, device: str | None, **given: Any
) -> None:
    """Train the sales model on tables.

    DATA is a folder with train.csv, test.csv, store.csv, store_states.csv, state_names.csv, googletrend.csv and
    weather.csv, as in fastai's rossmann.tgz. The model is judged on the last days, which it does not see, and then
    fitted on all. An interrupted run goes on after its last finished epoch when the command is given again.
    """
    from runtime.folder import check_target
    from training.device import pick_training_device
    from training.run import Run
    from training.sales.data.tables import read_tables
    from training.sales.report import write_report
    from training.sales.train import Trained, train

    options = Options.of(**given_options(Options, given))
    report = report or out.parent / "report" / out.name
    check_target(out, replace=force, remedy=", or replace it with --force")
    check_target(report, replace=(report / "report.md").is_file())
    tables = read_tables(data)

    def write(trained: Trained) -> None:
        write_report(
            report,
            trained.holdout,
            title=f"Sales model {trained.manifest.name} {trained.manifest.version}",
            history=trained.history,
            lr=trained.lr,
            synthetic=trained.manifest.synthetic,
            mode=trained.manifest.mode,
            command=this_command(),
        )

    run = Run(name, pick_training_device(device), replace=force, resume=not fresh, report=write)
    manifest = train(tables, out, options, run).manifest
    _print_figures(manifest.metrics)
    click.echo(f"bundle: {out} ({manifest.version})\nreport: {report / 'report.md'}\nserve it: shopcat serve {out}")


@click.command("sales")
@click.argument("data", type=FOLDER)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("lr_find.png"),
    show_default=True,
    help="The plot.",
)
@training_options(Options, leave_out=("refit",))
@DEVICE
@command
def lr_find_sales(data: Path, out: Path, device: str | None, **given: Any) -> None:
    """Find a learning rate for the sales model.

    It trains for a moment on the tables in DATA with a rising rate, plots the losses and suggests a rate.
    """
    from runtime.folder import check_file
    from training.device import pick_training_device
    from training.plots import plot_lr
    from training.sales.data.panel import panel_from_tables
    from training.sales.data.tables import read_tables
    from training.sales.fit import lr_find
    from training.sales.train import holdout_cutoff

    options = Options.of(**given_options(Options, given))
    check_file(out)
    tables = read_tables(data)
    panel = panel_from_tables(tables, cutoff=holdout_cutoff(tables, options))
    found = lr_find(panel, options, device=pick_training_device(device))
    plot_lr(found, out)
    click.echo(f"suggested learning rate: {found.suggestion:.2g}\nplot: {out}")


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("rows", type=FILE)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The CSV to write.")
@DEVICE
@command
def forecast(bundle: Path, rows: Path, out: Path, device: str | None) -> None:
    """Forecast every row of a CSV file.

    Kaggle's test.csv gives Id,Sales. Any other CSV with the columns Store and Date (and, if known, Open, Promo,
    StateHoliday and SchoolHoliday) keeps its columns and gets one added.
    """
    from runtime.device import pick_device
    from runtime.folder import check_file
    from sales.forecaster import Forecaster
    from training.sales.forecast_csv import forecast_csv

    check_file(out)
    forecaster = Forecaster.load(bundle, device=pick_device(device), threads=0)
    count, notes = forecast_csv(forecaster, rows, out)
    click.echo(f"{out}: {count:,} forecasts by {forecaster.name} {forecaster.version}")
    for code, number in sorted(notes.items()):
        click.echo(f"  {number:,} rows: {code.replace('_', ' ')}")


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("store", type=int)
@click.argument("date")
@DEVICE
@command
def explain(bundle: Path, store: int, date: str, device: str | None) -> None:
    """Say why the forecast of a STORE on a DATE is what it is.

    Prints what each group of inputs contributed, as a factor against an ordinary day, and its largest inputs. The
    figures are those of /explanations/sales.
    """
    from runtime.device import pick_device
    from runtime.errors import UserError
    from sales.forecaster import Forecaster
    from schemas.problems import Problem, ProblemError
    from schemas.sales.explanation import Explanation
    from schemas.sales.parse import parse_request

    forecaster = Forecaster.load(bundle, device=pick_device(device), threads=0)
    try:
        (answer,) = forecaster.predict([parse_request({"store": store, "date": date}, explain=True)])
    except ProblemError as error:
        answer = error.problem
    if isinstance(answer, Problem):
        raise UserError(answer.detail)
    assert isinstance(answer, Explanation)
    baseline = answer.baseline
    click.echo(f"store {store} on {date}: {answer.sales:,.7g} by {answer.model} {answer.version}")
    click.echo(f"an ordinary day, store {baseline.store} on {baseline.date}: {baseline.sales:,.7g}")
    if answer.unexplained:
        click.echo(answer.unexplained)
    for group in answer.groups:
        inputs = [each for each in answer.contributions if each.group == group.group and each.log][:3]
        largest = ", ".join(f"{each.input} x {each.multiplier:.3f}" for each in inputs)
        click.echo(f"  x {group.multiplier:.3f}  {group.group:<12}{largest}".rstrip())


def evaluate(bundle: Path, data: Path, report: Path, *, stores: tuple[int, ...], device: str) -> None:
    """Judge a sales bundle on later sales, and write a report."""
    from sales.forecaster import Forecaster
    from training.sales.data.tables import read_tables
    from training.sales.evaluation import evaluate
    from training.sales.report import write_report

    forecaster = Forecaster.load(bundle, device=device, threads=0)
    tables = read_tables(data)
    result = evaluate(forecaster, tables)
    write_report(
        report,
        result,
        title=f"Sales model {forecaster.name} {forecaster.version}",
        stores=stores or None,
        synthetic=tables.synthetic,
        mode=forecaster.model.features.mode,
        command=this_command(),
    )
    _print_figures(result.metrics())


def check(bundle: Path, device: str) -> str:
    """What there is to say of a sales bundle that is as training wrote it."""
    from sales.bundle import load
    from sales.forecaster import Forecaster

    whole = load(bundle)
    Forecaster.load(bundle, device=device)
    about = whole.manifest
    return (
        f"{bundle}: {about.kind} bundle {about.name} {about.version}, {about.mode} mode, cutoff {about.cutoff}"
        f"{', SYNTHETIC' if about.synthetic else ''}\n"
        f"{len(about.files)} files as listed; {len(whole.golden)} golden rows as training computed them, on {device}"
    )


def first_answer(url: str, bundle: Path, ask: Callable[[bytes, str], bytes]) -> str:
    """The model's address, and a curl line with what it gives: the first store's sales of the first day to come.

    Args:
        url: the address as clients know it.
        bundle: that is served.
        ask: what the model answers to a body of a content type.
    """
    from datetime import timedelta

    from sales.bundle import read_manifest

    about = read_manifest(bundle)
    body = json.dumps({"store": about.levels["Store"][0], "date": str(about.cutoff + timedelta(days=1))})
    answer = ask(body.encode(), "application/json").decode()
    return f"{url}\n\ncurl -s {url} -H 'Content-Type: application/json' -d '{body}'\n{answer}\n"


def _print_figures(figures: dict[str, Any]) -> None:
    """The figures that count, in two lines."""
    click.echo(
        f"{figures['from']} to {figures['to']}, {figures['rows']:,} rows: RMSPE {figures['rmspe']:.4f}, "
        f"WAPE {figures['wape']:.4f}, bias {figures['bias']:+.4f}"
    )
    if naive := figures.get("last_year_same_weekday"):
        ours = figures["where_last_year_is_known"]
        click.echo(
            f"last year's same weekday, {naive['rows']:,} rows: RMSPE {naive['rmspe']:.4f}; "
            f"the model on these rows: {ours['rmspe']:.4f}"
        )
