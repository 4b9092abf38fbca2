"""Command that updates a sales bundle with newer sales."""

from pathlib import Path

import click

from cli.common import DEVICE, FILE_OR_FOLDER, FOLDER, FORCE, command


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("data", type=FILE_OR_FOLDER)
@click.option("--out", type=FOLDER, required=True, help="Folder of the new bundle.")
@FORCE
@DEVICE
@command
def update(bundle: Path, data: Path, out: Path, force: bool, device: str | None) -> None:
    """Update a sales BUNDLE with newer sales, without training.

    DATA is a file or a folder with tables, as for a training, with the old sales and the new ones. The new bundle has
    the same network. It forecasts from the new last day, and its intervals follow from the new sales too. The command
    says when the errors since the training have grown so much that it is time to train again.
    """
    from runtime.device import pick_device
    from runtime.folder import check_target
    from runtime.words import counted
    from training.sales.data.tables import read_tables
    from training.sales.update.update import update as update_bundle

    check_target(out, replace=force, remedy=", or replace it with --force")
    result = update_bundle(bundle, read_tables(data), out, replace=force, device=pick_device(device))
    manifest = result.manifest
    more = counted(result.new_days, "day")
    click.echo(f"{out}: {manifest.name} {manifest.version}, sales up to {manifest.cutoff}, {more} more")
    if result.new_stores:
        shown = ", ".join(map(str, result.new_stores[:5])) + (", ..." if len(result.new_stores) > 5 else "")
        n_new = counted(len(result.new_stores), "new store")
        click.echo(f"{n_new}, forecast from attributes and past sales: {shown}")
    if result.drift is None:
        click.echo("no sales since the training, so its errors can't be compared")
        return
    figures, reasons = result.drift
    mean = figures["weekday_promotion_mean"]
    click.echo(
        f"since the training, {figures['from']} to {figures['to']}, {counted(figures['rows'], 'row')}: "
        f"RMSPE {figures['rmspe']:.4f}, WAPE {figures['wape']:.4f}, bias {figures['bias']:+.4f}; "
        f"weekday-and-promotion mean: RMSPE {mean['rmspe']:.4f}"
    )
    if "intervals" in figures:
        covered = figures["intervals"]
        click.echo(f"80 % intervals covered {covered['coverage_80']:.1%}, 90 % intervals {covered['coverage_90']:.1%}")
    advice = "it is time to train again: shopcat train sales" if reasons else "the weights still fit"
    for reason in reasons:
        click.echo(f"WARNING: {reason}", err=True)
    click.echo(advice)
