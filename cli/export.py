"""Commands that export a bundle of any kind for other servers."""

from pathlib import Path

import click

from cli.common import FOLDER, FORCE, Commands, command


@click.group(cls=Commands)
def export() -> None:
    """Export a bundle for another server."""


def _environment(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Reject a relative path, which Triton would look for where it was started."""
    from serving.triton.export import MODEL_DIRECTORY

    if value is not None and not value.startswith(("/", MODEL_DIRECTORY)):
        allowed = f"an absolute path on Triton's machine, or a path that begins with {MODEL_DIRECTORY}"
        raise click.BadParameter(f"{value} is a relative path; name {allowed}", context, parameter)
    return value


@export.command()
@click.argument("bundle", type=FOLDER)
@click.argument("repository", type=FOLDER, metavar="DIR")
@click.option(
    "--instances",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of processes that Triton runs for the model; at most one for each core of its machine.",
)
@click.option(
    "--environment",
    callback=_environment,
    help="Virtual environment with Shopcat for Triton's Python backend: a path on Triton's machine.  "
    "[default: the Python that Triton finds]",
)
@FORCE
@command
def triton(bundle: Path, repository: Path, instances: int, environment: str | None, force: bool) -> None:
    """Export a bundle as a model of NVIDIA Triton.

    DIR is a Triton model repository, old or new. The command verifies BUNDLE and adds the folder of its model to DIR.
    Triton's Python backend runs the model, with the code that `shopcat serve` runs too.
    """
    from serving.triton.export import export

    model = export(bundle, repository, instances=instances, environment=environment, replace=force)
    click.echo(f"{model}: a model of Triton; packages for its environment: {model / 'requirements.txt'}")
    click.echo(f"run it: tritonserver --model-repository={repository}")
