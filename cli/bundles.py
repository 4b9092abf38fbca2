"""Commands that take a bundle of any kind."""

from pathlib import Path

import click

from cli.common import DEVICE, FILE_OR_FOLDER, FOLDER, command
from cli.kinds import kind_commands


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("data", type=FILE_OR_FOLDER)
@click.option("--report", type=FOLDER, default=Path("report"), show_default=True, help="Folder for the report.")
@click.option("--store", "stores", multiple=True, help="Store to plot, for a sales bundle. May be repeated.")
@click.option(
    "--prometheus",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the figures as Prometheus gauges, for the node exporter's textfile collector; for a sales bundle.",
)
@click.option(
    "--unlike",
    type=FOLDER,
    help="Folder of pictures that show none of the breeds, for a pets bundle. The report says how many are noticed.",
)
@DEVICE
@command
def evaluate(
    bundle: Path,
    data: Path,
    report: Path,
    stores: tuple[str, ...],
    prometheus: Path | None,
    unlike: Path | None,
    device: str | None,
) -> None:
    """Evaluate a bundle on data that it was not trained on.

    For a sales BUNDLE, DATA is a file or a folder with tables; their sales after the bundle's last day are compared
    with its forecasts. For a pets bundle, DATA is a folder with photos; those of the official test split, of test/ or
    of valid/ are used. The command writes a report.
    """
    from runtime.device import pick_device
    from runtime.folder import check_target

    commands = kind_commands(bundle)
    check_target(report, replace=(report / "report.md").is_file(), remedy=" with --report")
    commands.evaluate(
        bundle, data, report, stores=stores, prometheus=prometheus, unlike=unlike, device=pick_device(device)
    )
    click.echo(f"report: {report / 'report.md'}")


@click.command()
@click.argument("bundle", type=FOLDER)
@DEVICE
@command
def check(bundle: Path, device: str | None) -> None:
    """Verify a bundle.

    The command compares the hash of each file with the manifest, and runs the model on the inputs whose outputs
    training saved.
    """
    from runtime.device import pick_device

    click.echo(kind_commands(bundle).check(bundle, pick_device(device)))


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--model-store", type=FOLDER, default=Path("model_store/archives"), show_default=True, help="Folder for archives."
)
@command
def archive(bundle: Path, model_store: Path) -> None:
    """Make a TorchServe archive of a bundle."""
    from serving.archives.archive import archive

    click.echo(f"{archive(bundle, model_store)}")
