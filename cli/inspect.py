"""The command that inspects tables before a training."""

from pathlib import Path

import click

from cli.common import FILE_OR_FOLDER, command


@click.command()
@click.argument("data", type=FILE_OR_FOLDER)
@command
def inspect(data: Path) -> None:
    """Inspect tables of sales before a training.

    Prints the files and columns that were found in DATA, their use, what is absent and what that costs, and stores
    whose sales are late. DATA is what `shopcat train sales` takes. The exit status is 0 if the tables can be trained
    on, and 1 if not; then all problems are listed.
    """
    from training.sales.data.inspection import inspect_tables
    from training.sales.data.problems import TablesError

    inspection = inspect_tables(data)
    text = inspection.text()
    if text:
        click.echo(text)
    if inspection.problems:
        click.echo(f"\n{TablesError(data, inspection.problems)}".lstrip("\n" if not text else ""), err=True)
        raise SystemExit(1)
    click.echo(f"\nready to train: shopcat train sales {data}")
