"""Columns of the user's own: which there are, and their values.

A column of the table of stores is used as it is. So is a column that both sales and plan have: it is known ahead. Other
columns of the sales need a declaration, since a model with a column that nobody knows beforehand would be of no use.
The file ``columns.toml`` beside the tables declares columns::

    [price]                 # name in the tables
    kind = "number"         # or "category"; default: as its values are
    by = "store and day"    # or "day", which holds for all stores, or "store"; default: as the tables have it
    known_ahead = true      # false: only its past is used; default: true if the plan has the column
    words = ["low", "high"] # all words of a category; default: those of the tables

    [comment]
    use = false             # do not use the column
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from sales.columns.own import Axes, Kind, OwnColumn
from schemas.sales.column_names import plain_name
from training.sales.data.columns import Column
from training.sales.data.files import Source, read_texts
from training.sales.data.problems import Problems
from training.sales.data.table_checks import Frames

FILE = "columns.toml"
MAX_WORDS = 50  # of a category that nobody declared; more are rather names or comments
_KINDS: Mapping[str, Kind] = {"number": "cont", "category": "cat"}
_AXES: Mapping[str, Axes] = {"store": "store", "day": "day", "store and day": "cell"}
_KEYS: Mapping[str, type] = {"kind": str, "by": str, "known_ahead": bool, "words": list, "use": bool}
_TEXT = Column("text", gaps=True, optional=True)


class OwnTable(NamedTuple):
    """Values of one column of the user's.

    Attributes:
        column: the column.
        words: words of a category, in the order of their codes; none for a number.
        rows: Store, Date, or both, and Value: a number, or the code of a word.
    """

    column: OwnColumn
    words: tuple[str, ...]
    rows: pd.DataFrame

    def until(self, cutoff: np.datetime64, end: np.datetime64) -> "OwnTable":
        """Return the values that are known at a cutoff, with those known ahead up to ``end``."""
        if "Date" not in self.rows:
            return self
        last = end if self.column.known_ahead else cutoff
        return self._replace(rows=self.rows[self.rows["Date"].to_numpy("datetime64[D]") <= last].reset_index(drop=True))


def read_own_columns(
    files: Mapping[str, Path], sources: dict[str, Source], frames: Frames, problems: Problems
) -> tuple[OwnTable, ...]:
    """Return the user's columns of the tables. Those that are used are no longer ``unused`` in their sources.

    Args:
        files: file of each table.
        sources: sources of the tables; changed in place.
        frames: parsed tables, by name, with their keys.
        problems: gets the problems of the declarations and of the values.
    """
    declared = _declarations(next(iter(files.values())).parent / FILE, problems)
    found = {
        table: {plain_name(name): name for name in sources[table].unused}
        for table in ("train", "test", "store")
        if table in sources and table in frames
    }
    for key, (name, _) in declared.items():
        if not any(key in names for names in found.values()):
            problems.add("train", name, "no table has this column", f"correct its name in {FILE}", file=FILE)
    tables: list[OwnTable] = []
    for key in dict.fromkeys(key for names in found.values() for key in names):
        options = declared.get(key, ("", {}))[1]
        automatic = key in found.get("store", {}) or key in found.get("train", {}).keys() & found.get("test", {}).keys()
        if not options.get("use", key in declared or automatic):
            continue
        table = _own_table(
            key, options, {t: names[key] for t, names in found.items() if key in names}, files, frames, problems
        )
        if table is not None:
            tables.append(table)
    used = {plain_name(table.column.name) for table in tables}
    for source in found:
        unused = tuple(name for name in sources[source].unused if plain_name(name) not in used)
        sources[source] = sources[source]._replace(unused=unused)
    return tuple(tables)


def _declarations(file: Path, problems: Problems) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the name and the options of each declared column, by its plain name."""
    if not file.is_file():
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        problems.add("train", "-", f"not TOML: {error}", "correct the file", file=FILE)
        return {}
    declared = {}
    for name, options in content.items():
        faults = _faults(options)
        for cause, remedy in faults:
            problems.add("train", name, cause, remedy, file=FILE)
        if not faults:
            declared[plain_name(name)] = (name, options)
    return declared


def _faults(options: Any) -> list[tuple[str, str]]:
    """Return cause and remedy of each fault of a declaration."""
    if not isinstance(options, dict):
        return [("not a table of options", "write [name] and its options below it")]
    faults = [(f"unknown option {key!r}", f"use {', '.join(_KEYS)}") for key in options if key not in _KEYS]
    faults += [
        (f"{key} is {value!r}", f"write {'true or false' if _KEYS[key] is bool else f'a {_KEYS[key].__name__}'}")
        for key, value in options.items()
        if key in _KEYS and type(value) is not _KEYS[key]
    ]
    for key, allowed in (("kind", _KINDS), ("by", _AXES)):
        if isinstance(options.get(key), str) and options[key] not in allowed:
            faults.append((f"{key} is {options[key]!r}", f"write {' or '.join(map(repr, allowed))}"))
    return faults


def _own_table(
    key: str,
    options: Mapping[str, Any],
    names: Mapping[str, str],
    files: Mapping[str, Path],
    frames: Frames,
    problems: Problems,
) -> OwnTable | None:
    """Return one column; None if its values are no use.

    Args:
        key: plain name of the column.
        options: its declaration; empty without one.
        names: its name in each table that has it.
        files: file of each table.
        frames: parsed tables, by name.
        problems: gets the problems of the values.
    """
    axes: Axes = _AXES[options["by"]] if "by" in options else "store" if "store" in names else "cell"
    parts = {table: name for table, name in names.items() if (table == "store") == (axes == "store")}
    if not parts:
        where = problems.files["store"] if axes == "store" else f"{problems.files['train']} or {problems.files['test']}"
        problems.add("train", next(iter(names.values())), f"{where} lacks the column", "correct `by`", file=FILE)
        return None
    texts = {table: read_texts(files[table], name, _TEXT).reindex(frames[table].index) for table, name in parts.items()}
    words = _words(texts.values())
    numbers = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce")
    kind: Kind = _KINDS[options["kind"]] if "kind" in options else "cont" if numbers.notna().all() else "cat"
    if not words or (not options and kind == "cat" and len(words) > MAX_WORDS):
        return None
    if kind == "cat":
        words = sorted(options["words"], key=str) if "words" in options else words
    codes: dict[str, float] = (
        {str(word): code for code, word in enumerate(map(str, words))}
        if kind == "cat"
        else dict(zip(words, numbers.tolist(), strict=True))
    )
    rows = []
    for table, column in texts.items():
        values = column.map(codes).astype(np.float64)
        wrong = column.notna() & ~np.isfinite(values)
        cause = "not a number" if kind == "cont" else f"not one of the words in {FILE}"
        problems.complain(
            table, column[wrong].astype(object).to_frame(parts[table]), cause, "correct it, or leave it empty"
        )
        keys = [name for name, where in (("Store", "day"), ("Date", "store")) if axes != where]
        if all(name in frames[table] for name in keys):
            rows.append(frames[table][keys].assign(Value=values).dropna())
    known_ahead = axes == "store" or bool(options.get("known_ahead", "test" in names))
    name = next(iter(names.values())).strip()
    column_ = OwnColumn(name, kind, axes, known_ahead)
    return OwnTable(column_, tuple(map(str, words)) if kind == "cat" else (), _finished(rows))


def _words(columns: Any) -> list[str]:
    """Return the distinct texts of several columns, in ascending order."""
    return sorted({str(text) for column in columns for text in column.dropna().unique()})


def _finished(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of all tables with the dtypes of `Tables`."""
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame({"Value": []})
    if "Date" in frame:
        frame["Date"] = frame["Date"].to_numpy(np.float64).astype("datetime64[D]").astype("datetime64[s]")
    if "Store" in frame:
        frame["Store"] = frame["Store"].astype(np.int32)
    return frame
