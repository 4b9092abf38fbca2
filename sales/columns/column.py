"""Declaration of a column: its name, kind and group, and the request's field that states it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sales.arrays import AnyArray

Mode = Literal["production", "parity"]
Kind = Literal["cat", "cont"]
Group = Literal[
    "date", "promotion", "holidays", "opening", "weather", "competition", "store", "history", "trend",
    "own",
]  # fmt: skip
Table = Mapping[str, AnyArray]


@dataclass(frozen=True)
class Column:
    """One column of the model's table.

    Attributes:
        name: name of the column.
        kind: ``cat`` if the network embeds its codes, ``cont`` if it takes its numbers.
        group: group of the column in explanations.
        field: field of a request that states the column's value or changes it; "" if there is none.
        words: words of the codes 0, 1, ...; empty if the codes are numbers, or if the panel's levels have the words.
        flagged: true if a continuous column with gaps in training gets an ``_na`` column; false if another column
            already states the gaps.
    """

    name: str
    kind: Kind
    group: Group
    field: str = ""
    words: tuple[str, ...] = ()
    flagged: bool = True


@dataclass(frozen=True)
class FeatureSet:
    """Names of a model's categorical and continuous columns, in order."""

    cat_names: tuple[str, ...]
    cont_names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Iterable[Column]) -> "FeatureSet":
        """Return the names of the columns by kind, in their order."""
        declared = tuple(columns)
        return cls(
            tuple(column.name for column in declared if column.kind == "cat"),
            tuple(column.name for column in declared if column.kind == "cont"),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, the categorical ones first."""
        return (*self.cat_names, *self.cont_names)


def cats(group: Group, *names: str, field: str = "") -> tuple[Column, ...]:
    """Declare categorical columns of one group."""
    return tuple(Column(name, "cat", group, field) for name in names)


def conts(group: Group, *names: str, field: str = "") -> tuple[Column, ...]:
    """Declare continuous columns of one group."""
    return tuple(Column(name, "cont", group, field) for name in names)
