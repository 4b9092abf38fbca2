"""Commands that take a bundle of any kind."""

import re
from pathlib import Path

import click

from cli.bulk import LATER
from cli.common import DEVICE, FILE_OR_FOLDER, FOLDER, FORCE, command
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


def _digest(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Check the form of a digest."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise click.BadParameter(
            f"{value!r} is not sha256: and 64 hexadecimal digits, which `sha256sum bundle.json` prints",
            context,
            parameter,
        )
    return value


@click.command()
@click.argument("source")
@click.argument("target", type=FOLDER)
@click.option(
    "--digest",
    required=True,
    callback=_digest,
    metavar="sha256:HEX",
    help="Digest of the bundle: the SHA-256 of its bundle.json.",
)
@FORCE
@command
def fetch(source: str, target: Path, digest: str, force: bool) -> None:
    """Copy a bundle of any kind, and verify its digest.

    SOURCE is the folder of a bundle, or its address, such as s3://shop/bundles/sales. TARGET becomes a complete copy,
    or it stays as it was: if the digest or the hash of a file differs, nothing is written. A TARGET that already is
    this bundle is verified only.
    """
    from bulk.storage.places import download
    from bulk.storage.storage import UnavailableError
    from runtime.bundle import fetch

    try:
        copied = fetch(source, target, digest, replace=force, copy=download if "://" in source else None)
    except UnavailableError as error:
        click.echo(f"Error: {error}. Run the command again.", err=True)
        raise SystemExit(LATER) from None
    click.echo(f"{target}: {f'copied from {source}' if copied else 'there already'}; {digest}, all files as listed")


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
