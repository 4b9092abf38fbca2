"""The commands that take a bundle of any kind."""

from pathlib import Path
from types import ModuleType

import click

from cli import pets, sales
from cli.common import DEVICE, FOLDER, command


def of_kind(bundle: Path) -> ModuleType:
    """The module with what a bundle's kind has of its own."""
    from runtime.bundle import BundleError, kind_of

    kind = kind_of(bundle)
    if kind not in ("sales", "pets"):
        raise BundleError(f"{bundle} is a bundle of the kind {kind!r}, which this version of shopcat does not know")
    return sales if kind == "sales" else pets


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--report", type=FOLDER, default=Path("report"), show_default=True, help="The report's folder.")
@click.option("--store", "stores", multiple=True, type=int, help="Of a sales bundle, a store to plot; may be repeated.")
@DEVICE
@command
def evaluate(bundle: Path, data: Path, report: Path, stores: tuple[int, ...], device: str | None) -> None:
    """Judge a bundle on data that it has not seen.

    For a sales bundle, the sales of the tables in DATA after the last day that BUNDLE has seen. For a pets bundle, the
    photos in DATA that its layout keeps to judge by: the official test split, or those of test/ or valid/. Writes a
    report.
    """
    from runtime.device import pick_device
    from runtime.folder import check_target

    kind = of_kind(bundle)
    check_target(report, replace=(report / "report.md").is_file())
    kind.evaluate(bundle, data, report, stores=stores, device=pick_device(device))
    click.echo(f"report: {report / 'report.md'}")


@click.command()
@click.argument("bundle", type=FOLDER)
@DEVICE
@command
def check(bundle: Path, device: str | None) -> None:
    """Verify a bundle.

    The hash of each file, and that what training computed comes out again.
    """
    from runtime.device import pick_device

    click.echo(of_kind(bundle).check(bundle, pick_device(device)))


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option(
    "--model-store", type=FOLDER, default=Path("model_store/archives"), show_default=True, help="Where archives go."
)
@command
def archive(bundle: Path, model_store: Path) -> None:
    """Make of a bundle what TorchServe loads."""
    from serving.torchserve.archive import archive

    click.echo(f"{archive(bundle, model_store)}")
