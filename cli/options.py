"""Command-line options made from the declarations of a model's training options."""

from collections.abc import Callable, Mapping
from typing import Any

import click

from training.options import Declaration, TrainingOptions, declarations

Command = Callable[..., None]


def training_options(
    options: type[TrainingOptions], *, leave_out: tuple[str, ...] = ()
) -> Callable[[Command], Command]:
    """Return a decorator that adds an option to a command for each training option.

    Every option is None unless it is given, so that ``given_options`` can tell which were.

    Args:
        options: the dataclass that declares them.
        leave_out: names of the fields that the command has no use for.
    """
    offered = [
        _click_option(declared)
        for declared in declarations(options)
        if declared.flag and declared.name not in leave_out
    ]

    def decorate(function: Command) -> Command:
        for option in reversed(offered):
            function = option(function)
        return function

    return decorate


def given_options(options: type[TrainingOptions], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training options among a command's arguments that were given."""
    names = [declared.name for declared in declarations(options)]
    return {name: arguments[name] for name in names if arguments.get(name) is not None}


def _click_option(declared: Declaration) -> Callable[[Command], Command]:
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
