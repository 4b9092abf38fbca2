"""Parts that all commands share: types of arguments, options, and error messages."""

import math
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # --help should not wait for pydantic
    from schemas.bundle import BundleManifest


class Commands(click.Group):
    """Group that lists its commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)


OURS = {
    "bulk",
    "cli",
    "console",
    "handlers",
    "labelling",
    "pets",
    "runtime",
    "sales",
    "schemas",
    "serving",
    "shopcat",
    "training",
}
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
FILE_OR_FOLDER = click.Path(path_type=Path)
DEVICE = click.option("--device", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")


def _number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Reject NaN, which click's ranges accept."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is not a number from 0 to 1", context, parameter)
    return value


class _RunnerName(click.Choice[str]):
    """Name of a runner; "asgi" is another name of "python"."""

    def __init__(self) -> None:
        super().__init__(["torchserve", "python"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert("python" if value == "asgi" else value, param, ctx)


RUNNER = click.option(
    "--runner",
    type=_RunnerName(),
    default="torchserve",
    show_default=True,
    help="Program that runs the workers: torchserve, or python for workers that are their own HTTP servers, without "
    "Java. They start sooner, take less memory and answer sooner.",
)
REVIEW_SHARE = click.option(
    "--review-share",
    type=click.FloatRange(0, 1),
    callback=_number,
    help="Share of the accepted photos that go to review at random; pets bundles only.  [default: the bundle's]",
)
JOBS = click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Number of fits in parallel, with one thread each.  [default: one for each core, if memory allows]",
)
FORCE = click.option("--force", is_flag=True, help="Replace an existing result.")


@contextmanager
def errors() -> Iterator[None]:
    """Print expected errors in one line and exit with code 2. Unexpected errors keep their traceback."""
    from runtime.errors import UserError

    try:
        with _all_installed():
            yield
    except (UserError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise SystemExit(130) from None


@contextmanager
def _all_installed() -> Iterator[None]:
    """Turn a missing package into an error with a remedy; a serving installation lacks what training needs."""
    from runtime.errors import InstallationError

    try:
        yield
    except ModuleNotFoundError as error:
        missing = str(error.name or error).partition(".")[0]
        if missing in OURS:
            raise
        raise InstallationError(
            f"this command needs {missing}, which is not installed; run `pip install 'shopcat[train]'` (or "
            "'shopcat[bulk]', which is smaller and enough for forecasts of files), or `make train-env` in a clone"
        ) from error


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that prints expected errors in one line."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        with errors():
            function(*args, **kwargs)

    return run


def verified_bundle(
    bundle: Path, manifest: "BundleManifest", description: str, *, n_files: int, golden: str, device: str
) -> str:
    """Return the text about a bundle that was verified.

    Args:
        bundle: the bundle's folder.
        manifest: manifest of the bundle.
        description: the main properties of this kind of bundle.
        n_files: number of files that the manifest lists.
        golden: number and kind of the golden examples.
        device: device on which the golden examples were computed.
    """
    return (
        f"{bundle}: {manifest.kind} bundle {manifest.name} {manifest.version}, {description}\n"
        f"{n_files} files as listed; {golden} as training computed them, on {device}"
    )


def this_command() -> str:
    """Return the command line as it was typed, for a report that can be made again."""
    return shlex.join(["shopcat", *sys.argv[1:]])
