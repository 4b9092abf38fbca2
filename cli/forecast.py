"""Commands that write files for a sales bundle: the plan that it assumes, and forecasts of the rows of a file."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import bulk
from cli.common import DEVICE, FOLDER, FORCE, command

if TYPE_CHECKING:  # --help should not wait for it
    from bulk.job import BadRows

_OUT = click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="CSV or Parquet file to write."
)


def _date(context: click.Context, parameter: click.Parameter, text: str | None) -> dt.date | None:
    """Read a date."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a date, like 2015-08-01") from None


def _numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> list[float] | None:
    """Read comma-separated numbers."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers:
        raise click.BadParameter(f"{text!r} is not a comma-separated list of numbers, like 80,90")
    return [int(number) if number.is_integer() else number for number in numbers]


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option("--days", type=click.IntRange(1), help="Number of days.  [default: the model's horizon]")
@click.option("--start", callback=_date, help="First day.  [default: the day after the last known sales]")
@click.option("--stores", multiple=True, help="Ids of stores, separated by commas. May be repeated.  [default: all]")
@_OUT
@FORCE
@command
def plan(
    bundle: Path, days: int | None, start: dt.date | None, stores: tuple[str, ...], out: Path, force: bool
) -> None:
    """Write the plan that a sales bundle assumes, to fill in and to forecast.

    The file has a row for each store and day. Its columns are the facts that the model uses, as the tables state them
    or as the bundle assumes them: opening, promotions, holidays and weather. The column `assumed` names the assumed
    facts. Change what you know better, then give the file to `shopcat forecast`.
    """
    from runtime.errors import UserError
    from runtime.folder import check_file
    from runtime.words import counted
    from sales.forecaster import Forecaster
    from training.sales.forecast_files.plan import write_plan

    check_file(out)
    if out.exists() and not force:
        raise UserError(
            f"{out} is there already, and may have your changes; name another file, or replace it with --force"
        )
    written = write_plan(Forecaster.load(bundle), out, days=days, start=start, stores=stores)
    extent = f"{counted(written.n_rows, 'row')} of {counted(written.n_stores, 'store')}"
    click.echo(f"{out}: {extent}, {written.first} to {written.last}")
    for name, count in written.assumed.items():
        click.echo(f"  {counted(count, 'row')}: {name} assumed")
    if written.n_beyond:
        click.echo(f"  the last {counted(written.n_beyond, 'day')} beyond the horizon of the model")
    click.echo(f"change what you know better, then: shopcat forecast {bundle} {out} --out forecasts{out.suffix}")


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@click.option(
    "--out", required=True, help="CSV or Parquet file to write; or a folder that ends in /, or an address like s3://."
)
@click.option("--levels", callback=_numbers, help="Levels of intervals, in percent from 1 to 98, such as 80,90.")
@click.option("--quantiles", callback=_numbers, help="Quantiles from 0.01 to 0.99, such as 0.1,0.9; not with --levels.")
@click.option(
    "--objective",
    type=click.Choice(["median", "mean", "rmspe"]),
    help="Measure that the forecasts are best for.  [default: the model's]",
)
@bulk.job_options
@DEVICE
@command
def forecast(
    bundle: Path,
    rows: tuple[str, ...],
    out: str,
    levels: list[float] | None,
    quantiles: list[float] | None,
    objective: str | None,
    bad_rows: "BadRows",
    processes: int | None,
    runner: str,
    device: str | None,
) -> None:
    """Forecast every row of a CSV or Parquet file, or of many.

    ROWS needs the columns store and date, and may state open, promo, state_holiday, school_holiday and the weather. An
    empty cell states nothing. `shopcat plan` writes such a file.

    The output has all columns of ROWS, and the forecast as `sales`, or as `forecast` if there are sales already. Then
    come the intervals or quantiles, the names of the assumed facts and the names of the warnings. For Kaggle's
    test.csv, the output has the columns Id and Sales.

    If --out ends in / or is a folder or an address, this is a job: ROWS are files, folders and addresses, and the
    output is a folder of Parquet files. All rows make one plan, however they are cut into files. The same command
    continues a job that was stopped. The exit code is 0 at the
    end, 75 if another try continues, 2 if none can, and 1 for a fault of Shopcat.
    """
    from runtime.device import pick_device
    from runtime.errors import UserError
    from runtime.folder import check_file
    from runtime.words import counted
    from sales.forecaster import Forecaster
    from schemas.problems import ProblemError
    from schemas.sales.options import parse_options

    given = {"levels": levels, "quantiles": quantiles, "objective": objective}
    try:
        options = parse_options({name: value for name, value in given.items() if value is not None})
    except ProblemError as error:
        wrong = [(field.path.split("/")[1], field.value, field.detail) for field in error.problem.errors]
        raise UserError("; ".join(f"--{name}: {detail} (given: {value})" for name, value, detail in wrong)) from None
    if bulk.is_job(out):
        chosen = {name: value for name, value in given.items() if value is not None}
        bulk.run(
            "sales", bundle, rows, out, chosen, bad_rows=bad_rows, runner=runner, processes=processes, device=device
        )
        return
    source, target = _one_file(rows, out), Path(out)
    check_file(target)
    with ThreadPoolExecutor(1) as pool:  # pandas is imported while the bundle is read
        loading = pool.submit(Forecaster.load, bundle, device=pick_device(device))
        from training.sales.forecast_files.forecast import check_output, forecast_file

        check_output(source, target)
        forecaster = loading.result()
    count, notes = forecast_file(forecaster, source, target, options)
    click.echo(f"{out}: {counted(count, 'forecast')} by {forecaster.name} {forecaster.version}")
    for code, number in sorted(notes.items()):
        click.echo(f"  {counted(number, 'row')}: {code.replace('_', ' ')}")


def _one_file(rows: tuple[str, ...], out: str) -> Path:
    """Return the only file of an output that is a file.

    Raises:
        UsageError: if there are several, or it is a folder or an address.
    """
    (first, *others) = rows
    if others or Path(first).is_dir() or "://" in first:
        raise click.UsageError(
            f"--out {out} is a file, and ROWS are several; end it with / for a folder of Parquet files"
        )
    if not Path(first).exists():
        raise click.BadParameter(f"File {first!r} does not exist.", param_hint="'ROWS...'")
    return Path(first)
