"""Declaration and validation of training options, without torch: the command line's `--help` reads them.

Each model has a frozen dataclass of options, a subclass of ``TrainingOptions``. ``option`` declares a field with its
default, bounds, flag on the command line and help text. A field can have another default in another preset: the parity
mode of sales, the recipe ``lesson`` of pets. The command line and the model card follow from these declarations.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from runtime.errors import UserError

T = TypeVar("T")
Options = TypeVar("Options", bound="TrainingOptions")

_UNSET: Final[Any] = object()
_KEY = "option"


class OptionsError(UserError):
    """Training options that are out of bounds or contradict each other."""


@dataclass(frozen=True)
class Declaration:
    """Declaration of one training option.

    Attributes:
        name: name of the field.
        kind: type of the value, or of the items of a tuple; never None.
        length: number of items of a tuple; 0 for any number, None if the value is no tuple.
        default: value in the first preset.
        presets: values in other presets, by the preset's name.
        help: one or two sentences for the command line and the model card.
        flag: spelling on the command line, such as ``--lr`` or ``--bfloat16/--float32``; None if it has none.
        shown: words that stand for the default in the help, where the value would say too little.
        choices: allowed values; empty if the bounds alone decide.
        min: lowest allowed value.
        max: highest allowed value.
        gt: value that must be exceeded.
        lt: value that must not be reached.
    """

    name: str
    kind: type
    length: int | None
    default: Any
    presets: Mapping[str, Any]
    help: str
    flag: str | None
    shown: str | None
    choices: tuple[str, ...]
    min: float | None
    max: float | None
    gt: float | None
    lt: float | None

    def default_text(self) -> str:
        """Return the defaults in words, such as ``5; parity: 10``; a preset with the same default is not named."""
        texts = [self.shown or self._text(self.default)]
        texts += [f"{name}: {self._text(value)}" for name, value in self.presets.items() if value != self.default]
        return "; ".join(texts)

    def check(self, value: object) -> None:
        """Check a value against the choices and bounds.

        Raises:
            OptionsError: if the value is not allowed.
        """
        if value is None:
            return
        spelling = self.flag.split("/")[0] if self.flag else self.name
        if self.choices and value not in self.choices:
            raise OptionsError(f"{spelling} is {value!r}; it must be one of {', '.join(self.choices)}")
        numbers = value if isinstance(value, tuple) else (value,)
        if self.length and len(numbers) != self.length:
            raise OptionsError(f"{spelling} has {len(numbers)} values; it needs {self.length}")
        if self.kind in (int, float) and not all(self._within_bounds(number) for number in numbers):
            raise OptionsError(f"{spelling} is {self._text(value)}; {self._bounds()}")

    def _within_bounds(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.min is None or number >= self.min)
            and (self.max is None or number <= self.max)
            and (self.gt is None or number > self.gt)
            and (self.lt is None or number < self.lt)
        )

    def _bounds(self) -> str:
        bounds = {"at least": self.min, "at most": self.max, "more than": self.gt, "less than": self.lt}
        texts = [f"{words} {bound}" for words, bound in bounds.items() if bound is not None]
        subject = "it must be" if self.length is None else "each value must be"
        return f"{subject} {' and '.join(texts or ['a finite number'])}"

    def _text(self, value: object) -> str:
        if value is None:
            return "none"
        if isinstance(value, tuple):
            return ",".join(map(self._text, value))
        if isinstance(value, bool) and self.flag and "/" in self.flag:
            return self.flag.split("/")[0 if value else 1].removeprefix("--")
        return f"{value:g}" if isinstance(value, float) else str(value)


def option(
    default: T,
    *,
    help: str,
    parity: T = _UNSET,
    lesson: T = _UNSET,
    flag: str | None = "",
    shown: str | None = None,
    choices: Sequence[str] = (),
    min: float | None = None,
    max: float | None = None,
    gt: float | None = None,
    lt: float | None = None,
) -> T:
    """Declare a training option: a dataclass field that knows its defaults, bounds, flag and help.

    Args:
        default: value unless another is given or the preset has its own.
        help: one or two sentences for the command line and the model card.
        parity: default in parity mode, if it differs.
        lesson: default in the recipe ``lesson``, if it differs.
        flag: spelling on the command line; made from the field's name if left out; None for no option there. A boolean
            has two, separated by a slash.
        shown: words for the default in the help, where the value would say too little.
        choices: allowed values. A ``Literal`` field needs none.
        min: lowest allowed value; bounds hold for each item of a tuple.
        max: highest allowed value.
        gt: value that must be exceeded.
        lt: value that must not be reached.
    """
    presets = {name: value for name, value in (("parity", parity), ("lesson", lesson)) if value is not _UNSET}
    settings = {
        "presets": presets, "help": help, "flag": flag, "shown": shown, "choices": tuple(choices),
        "min": min, "max": max, "gt": gt, "lt": lt,
    }  # fmt: skip
    return field(default=default, metadata={_KEY: settings})


@dataclass(frozen=True)
class TrainingOptions:
    """Base of the options of every model."""

    @classmethod
    def from_preset(cls: type[Options], preset: str, **given: Any) -> Options:
        """Return the defaults of a preset, with the given values in their place.

        Raises:
            OptionsError: if a value is out of bounds, or values contradict each other.
        """
        declared = list(declarations(cls))
        defaults = {option.name: option.presets[preset] for option in declared if preset in option.presets}
        options = cls(**{**defaults, **given})
        for declaration in declared:
            declaration.check(getattr(options, declaration.name))
        options.check()
        return options

    def check(self) -> None:
        """Check that the options go together; each of them is within its bounds already.

        Raises:
            OptionsError: if they do not.
        """


def declarations(options: type[TrainingOptions]) -> Iterator[Declaration]:
    """Yield the declaration of each option, in the order of the fields."""
    hints = get_type_hints(options)
    for declared in dataclasses.fields(options):
        kind, length, choices = _kind(hints[declared.name])
        settings = dict(declared.metadata[_KEY])
        if settings["flag"] == "":
            settings["flag"] = f"--{declared.name.replace('_', '-')}"
        settings["choices"] = settings["choices"] or choices
        yield Declaration(name=declared.name, kind=kind, length=length, default=declared.default, **settings)


def _kind(hint: Any) -> tuple[type, int | None, tuple[str, ...]]:
    """Return the type of a field's values, the number of items if it is a tuple, and the values of a ``Literal``."""
    alternatives = [part for part in get_args(hint) if part is not NoneType]
    if get_origin(hint) is Literal:
        return str, None, tuple(alternatives)
    if get_origin(hint) is tuple:
        return alternatives[0], 0 if alternatives[-1] is Ellipsis else len(alternatives), ()
    return _kind(alternatives[0]) if alternatives else (hint, None, ())


def check_name(name: str) -> None:
    """Check that a name is one that a model can have, before the work begins.

    Raises:
        OptionsError: if it is not.
    """
    from schemas.bundle import NAME  # imports pydantic, which `--help` should not wait for

    if not re.fullmatch(NAME, name):
        raise OptionsError(f"name {name!r} can't be a model's: lower-case letters, digits, - and _, 40 at most")
