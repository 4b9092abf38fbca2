"""Columns of a file that state the fields of a request, found by their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from sales.columns.own import OwnColumn
from sales.forecaster import Model
from schemas.sales.column_names import REQUEST_COLUMNS, match_columns, plain_name
from training.sales.forecast_files.facts import own_fields
from training.sales.forecast_files.formats import RowsError


def find_columns(file: Path | str, header: Sequence[str], model: Model) -> dict[str, str]:
    """Return the names of a file's columns by the fields of a request.

    Args:
        file: the file, for messages.
        header: names of its columns.
        model: parts of the model.

    Raises:
        RowsError: if there are two columns for a field, no store or no date.
    """
    user_fields = _own_columns(header, own_fields(model))
    fields = [field for field in REQUEST_COLUMNS if field != "events" or "Events" in model.features.weather]
    matched = match_columns(
        [name for name in header if name not in user_fields.values()], [REQUEST_COLUMNS[field] for field in fields]
    )
    columns, doubled, faults = {}, set(), []
    for field in fields:
        names = matched.ambiguous.get(REQUEST_COLUMNS[field], [])
        if REQUEST_COLUMNS[field] in matched.headers:
            names = [matched.headers[REQUEST_COLUMNS[field]]]
            names += [name for name in header if name == f"{names[0]}.1"]  # pandas' name of a second one
        if len(names) > 1:
            doubled.add(REQUEST_COLUMNS[field])
            second = names[0] if names[1] == f"{names[0]}.1" else names[1]
            faults.append(f"two columns for {field}: {names[0]!r} and {second!r}; keep one of them")
        elif names:
            columns[field] = names[0]
    missing = [name for name in ("store", "date") if name not in columns and REQUEST_COLUMNS[name] not in doubled]
    if missing:
        faults.append(f"no column {' and '.join(missing)}; its columns are {', '.join(header)}")
    if faults:
        raise RowsError(f"{file} has {'. It has '.join(faults)}")
    return columns | user_fields


def _own_columns(header: Sequence[str], fields: Mapping[str, OwnColumn]) -> dict[str, str]:
    """Return the names of the file's columns that are columns of the user's, by field; case and separators differ."""
    found = {}
    for field, column in fields.items():
        names = [name for name in header if plain_name(name) == plain_name(column.name)]
        if names:
            found[field] = column.name if column.name in names else names[0]
    return found
