"""Options and steps that the commands of every model share when they train.

The options of the training itself are made from the declarations of its dataclass.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import click

from cli.common import FILE_OR_FOLDER, FOLDER, FORCE, this_command
from training.loop.threads import wait_passively
from training.options import Declaration, TrainingOptions, declarations
from training.run import Run

if TYPE_CHECKING:  # --help should not wait for their imports
    from schemas.bundle import BundleManifest
    from training.loop.history import History
    from training.loop.lr_finder import FoundLR

Result = TypeVar("Result")
Command = Callable[..., None]
Decorator = Callable[[Command], Command]

PLOT = click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("lr_find.png"),
    show_default=True,
    help="PNG file of the plot.",
)
"""Option of the commands that find a learning rate."""


class RunArguments(NamedTuple):
    """Arguments of a training command, except those that decide the result.

    Attributes:
        out: the bundle's folder.
        report: the report's folder; None for the default.
        name: the model's name.
        fresh: True to start anew, although an interrupted run could be resumed.
        force: True to replace an existing bundle.
        device: device to train on; None for a GPU if there is one.
        progress: True to show a progress bar; None for a terminal alone.
    """

    out: Path
    report: Path | None
    name: str
    fresh: bool
    force: bool
    device: str | None
    progress: bool | None

    def checked_report(self) -> Path:
        """Return the report's folder, after a check that it and the bundle's folder can be written.

        Raises:
            FolderError: if one of them can't be written, or exists and must not be replaced.
        """
        from runtime.folder import check_target

        report = self.report or self.out.parent / "report" / self.out.name
        check_target(self.out, replace=self.force, remedy=", or replace it with --force")
        check_target(report, replace=(report / "report.md").is_file())
        return report

    def run(self, report: Callable[[Result], None]) -> Run[Result]:
        """Return the settings of the run.

        Args:
            report: function that writes the report of the training's result.
        """
        from training.device import pick_training_device

        device = pick_training_device(self.device)
        return Run(self.name, device, replace=self.force, resume=not self.fresh, progress=self.progress, report=report)


def training_command(kind: str) -> Decorator:
    """Return a decorator that adds the argument DATA and the options of a training run to a command.

    The command gets the options as ``arguments``, a `RunArguments`.

    Args:
        kind: kind of the model, which is also its default name.
    """
    out = Path("model_store") / kind
    add_options = _decorator(
        [
            click.argument("data", type=FILE_OR_FOLDER),
            click.option("--out", type=FOLDER, default=out, show_default=True, help="The bundle's folder."),
            click.option("--report", type=FOLDER, help="The report's folder.  [default: report/ beside the bundle]"),
            click.option("--name", default=kind, show_default=True, help="The model's name."),
            click.option("--fresh", is_flag=True, help="Start anew, even if an interrupted run could be resumed."),
            FORCE,
            click.option(
                "--progress/--no-progress",
                default=None,
                help="Show a progress bar on stderr.  [default: on a terminal alone]",
            ),
        ]
    )

    def decorate(function: Command) -> Command:
        @wraps(function)
        def train(**given: Any) -> None:
            arguments = RunArguments(**{name: given.pop(name) for name in RunArguments._fields})
            function(arguments=arguments, **given)

        return add_options(train)

    return decorate


def training_options(options: type[TrainingOptions], *, leave_out: Sequence[str] = ()) -> Decorator:
    """Return a decorator that adds an option to a command for each training option, and sets up its threads.

    Every option is None unless it is given; ``given_options`` relies on that.

    Args:
        options: the dataclass that declares them.
        leave_out: names of the fields that the command does not use.
    """
    declared = [option for option in declarations(options) if option.flag and option.name not in leave_out]
    add_options = _decorator([_click_option(option) for option in declared])

    def decorate(function: Command) -> Command:
        @wraps(function)
        def train(*args: Any, **kwargs: Any) -> None:
            wait_passively()  # here, because the command loads torch
            function(*args, **kwargs)

        return add_options(train)

    return decorate


def given_options(options: type[TrainingOptions], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training options that the user set, by name; ``arguments`` are all arguments of the command."""
    names = [declared.name for declared in declarations(options)]
    return {name: arguments[name] for name in names if arguments.get(name) is not None}


class Trained(Protocol):
    """Result of a training, as far as every report needs it."""

    @property
    def manifest(self) -> "BundleManifest":
        """Manifest of the bundle."""

    @property
    def history(self) -> "History":
        """Losses and metrics by epoch."""

    @property
    def lr(self) -> "FoundLR | None":
        """Result of the learning-rate finder."""


def report_arguments(trained: Trained) -> dict[str, Any]:
    """Return the arguments that the reports of all kinds of models share."""
    manifest = trained.manifest
    return {
        "title": report_title(manifest.kind, manifest.name, manifest.version),
        "history": trained.history,
        "lr": trained.lr,
        "command": this_command(),
    }


def report_title(kind: str, name: str, version: str) -> str:
    """Return the heading of a model's report."""
    return f"{kind.capitalize()} model {name} {version}"


def print_written(out: Path, report: Path, version: str) -> None:
    """Print where a training wrote its bundle and report, and the command that serves it."""
    click.echo(f"bundle: {out} ({version})\nreport: {report / 'report.md'}\nserve it: shopcat serve {out}")


def plot_and_print(found: "FoundLR", out: Path) -> None:
    """Plot the losses of a learning-rate finder, and print its suggestion."""
    from training.plots import plot_lr

    plot_lr(found, out)
    click.echo(f"suggested learning rate: {found.suggestion:.2g}\nplot: {out}")


def _decorator(options: list[Decorator]) -> Decorator:
    """Return a decorator that adds options to a command, in this order."""

    def decorate(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _click_option(declared: Declaration) -> Decorator:
    """Return click's option for a training option."""
    assert declared.flag is not None
    help_text = f"{declared.help}  [default: {declared.default_text()}]"
    if declared.kind is bool:
        return click.option(declared.flag, declared.name, default=None, help=help_text)
    if declared.length is not None:
        return click.option(declared.flag, declared.name, callback=_numbers(declared), help=help_text)
    return click.option(declared.flag, declared.name, type=_click_type(declared), help=help_text)


def _click_type(declared: Declaration) -> click.ParamType[Any] | type:
    """Return the type that checks a value before the command starts."""
    if declared.choices:
        return click.Choice(declared.choices)
    if declared.kind is str:
        return str
    lowest, highest = (
        inclusive if inclusive is not None else exclusive
        for inclusive, exclusive in ((declared.min, declared.gt), (declared.max, declared.lt))
    )
    bounds: dict[str, Any] = {
        "min": lowest,
        "max": highest,
        "min_open": declared.gt is not None,
        "max_open": declared.lt is not None,
    }
    return click.IntRange(**bounds) if declared.kind is int else click.FloatRange(**bounds)


def _numbers(
    declared: Declaration,
) -> Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]:
    """Return a callback that reads comma-separated numbers."""
    example = ",".join(map(str, declared.default))

    def convert(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[Any, ...] | None:
        if text is None:
            return None
        try:
            numbers = tuple(declared.kind(part) for part in text.split(",") if part.strip())
        except ValueError:
            raise click.BadParameter(f"{text!r} is not a comma-separated list of numbers, like {example}") from None
        if declared.length and len(numbers) != declared.length:
            raise click.BadParameter(f"{text!r} has {len(numbers)} numbers; give {declared.length}, like {example}")
        return numbers

    return convert
