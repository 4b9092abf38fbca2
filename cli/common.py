"""What the commands share: types of arguments, options, and how errors are said."""

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click


class Commands(click.Group):
    """Commands in the order in which a newcomer meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self.commands)


OURS = {"cli", "handlers", "pets", "runtime", "sales", "schemas", "serving", "shopcat", "training"}
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
DEVICE = click.option("--device", help="cpu, cuda or cuda:N.  [default: a GPU if there is one]")
FORCE = click.option("--force", is_flag=True, help="Replace what is there already.")


@contextmanager
def errors() -> Iterator[None]:
    """What can go wrong, said in a line; exit code 2. What nobody foresaw keeps its traceback."""
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
    """What an installation that only serves, such as the container image's, lacks is an error like others."""
    from runtime.errors import InstallationError

    try:
        yield
    except ModuleNotFoundError as error:
        missing = str(error.name or error).partition(".")[0]
        if missing in OURS:
            raise
        raise InstallationError(
            f"this command needs {missing}, which is not installed; run `pip install 'shopcat[train]'`, or "
            "`make train-env` in a clone"
        ) from error


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command whose errors are said in a line."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        with errors():
            function(*args, **kwargs)

    return run


def numbers(kind: type) -> Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]:
    """A comma-separated list of numbers."""

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        try:
            return tuple(kind(part) for part in value.split(",") if part.strip())
        except ValueError:
            raise click.BadParameter(f"{value!r} is not a comma-separated list of numbers, like 1000,500") from None

    return convert


def this_command() -> str:
    """What was typed, for a report that says how to get it again."""
    return shlex.join(["shopcat", *sys.argv[1:]])
