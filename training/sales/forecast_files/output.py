"""Rows to write: the input's columns as they were, and the forecasts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales.answers.columns import ForecastColumns
from sales.arrays import Int64
from sales.inputs import ASSUMED as ASSUMED_NAMES
from schemas.sales.column_names import plain_name
from schemas.sales.options import AnswerOptions
from training.sales.data.columns import COLUMNS as TABLES
from training.sales.forecast_files.formats import RowsError, names_of
from training.sales.forecast_files.plan import ASSUMED, SEPARATOR

SALES = ("sales", "forecast")  # column with the forecasts: the first name that the input does not have
WARNINGS = "warnings"  # column with the names of the warnings
_TEST = {plain_name(name) for name in (*TABLES["test"], "DayOfWeek")}  # all columns of Kaggle's test.csv


class Results:
    """Forecasts of all rows of a file, in little memory."""

    def __init__(self, n_rows: int, options: AnswerOptions) -> None:
        self._options = options
        n_quantiles = len(options.probabilities) if options.uncertain else 0
        self._sales = np.empty(n_rows)
        self._quantiles = np.empty((n_rows, n_quantiles))
        self._assumed = np.zeros(n_rows, dtype=np.uint8)
        # ``[row]``, index into the texts of warnings
        self._warnings = np.zeros(n_rows, dtype=np.uint16)
        self._texts: dict[tuple[tuple[str, str], ...], int] = {(): 0}

    def add(self, rows: Int64, forecasts: ForecastColumns) -> None:
        """Add the forecasts of some rows."""
        self._sales[rows], self._assumed[rows] = forecasts.sales, forecasts.assumed
        if forecasts.quantiles is not None:
            self._quantiles[rows] = forecasts.quantiles
        places: dict[int, int] = {}  # by list of warnings, since many rows share one
        for warnings in forecasts.warnings.values():
            if id(warnings) not in places:
                kinds = tuple((warning.code, warning.field) for warning in warnings)
                places[id(warnings)] = self._texts.setdefault(kinds, len(self._texts))
        if len(self._texts) - 1 > np.iinfo(self._warnings.dtype).max:
            self._warnings = self._warnings.astype(np.uint32)
        warned = rows[np.fromiter(forecasts.warnings, np.int64, len(forecasts.warnings))]
        self._warnings[warned] = [places[id(warnings)] for warnings in forecasts.warnings.values()]

    def count(self) -> Counter[str]:
        """Return the number of rows with each kind of warning and each assumed fact."""
        notes: Counter[str] = Counter()
        for bits, number in enumerate(np.bincount(self._assumed, minlength=len(ASSUMED_NAMES)).tolist()):
            notes.update({f"{name} assumed": number for name in ASSUMED_NAMES[bits]})
        numbers = np.bincount(self._warnings, minlength=len(self._texts)).tolist()
        for kinds, number in zip(self._texts, numbers, strict=True):
            notes.update(dict.fromkeys({code for code, _ in kinds}, number))
        return +notes

    def frame(self, file: Path, part: pd.DataFrame, first: int) -> pd.DataFrame:
        """Return the rows to write.

        Args:
            file: input, for messages.
            part: rows of the input.
            first: number of the first of them.

        Raises:
            RowsError: if the input has both names of the column for the forecasts.
        """
        rows = slice(first, first + len(part))
        names = [plain_name(name) for name in names_of(part)]
        if names.count("id") == 1 and {*names} <= _TEST:
            sales, uncertainty = self._sales[rows], self._uncertainty(rows)
            return pd.DataFrame({"Id": part.iloc[:, names.index("id")].array, "Sales": sales, **uncertainty})
        return _with_columns(part.reset_index(drop=True), self.columns(file, names_of(part), rows))

    def columns(self, file: Path | str, header: Sequence[str], rows: slice = slice(None)) -> dict[str, NDArray[Any]]:
        """Return the columns that the output has beside the input's, by name.

        Args:
            file: input, for messages.
            header: names of the input's columns.
            rows: the rows.

        Raises:
            RowsError: if the input has both names of the column for the forecasts.
        """
        names = [plain_name(name) for name in header]
        added = next((name for name in SALES if name not in names), None)
        if added is None:
            raise RowsError(
                f"{file} has the columns sales and forecast already; rename one, so that forecasts have a name"
            )
        assumed = [SEPARATOR.join(names) for names in ASSUMED_NAMES]
        warnings = [SEPARATOR.join(dict.fromkeys(map(_warning_name, kinds))) for kinds in self._texts]
        return {
            added: self._sales[rows],
            **self._uncertainty(rows),
            ASSUMED: _picked(assumed, self._assumed[rows]),
            WARNINGS: _picked(warnings, self._warnings[rows]),
        }

    def _uncertainty(self, rows: slice) -> dict[str, NDArray[np.float64]]:
        """Return the columns of intervals or quantiles, by name."""
        return dict(zip(_quantile_names(self._options), self._quantiles[rows].T, strict=True))


def _picked(texts: Sequence[str], codes: NDArray[np.unsignedinteger]) -> NDArray[np.object_]:
    """Return the text of each row."""
    return np.array(texts, dtype=object).take(codes)


def _quantile_names(options: AnswerOptions) -> list[str]:
    """Return the columns of intervals or quantiles, named as in frames of `shopcat.Forecaster`."""
    if options.levels is not None:
        return [f"{end}_{level:g}" for level in options.levels for end in ("low", "high")]
    return [f"quantile_{probability:g}" for probability in options.quantiles or ()]


def _warning_name(kind: tuple[str, str]) -> str:
    """Return the name of a warning, given its code and field: with its column after a colon, if it is about one."""
    code, field = kind
    about_row = code in ("no_history", "beyond_horizon", "training_period")
    return code if about_row else f"{code}:{field}"


def _with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return a frame with columns at its end; one that it has already is replaced in its place."""
    names = {str(name).strip().lower(): name for name in frame.columns}
    return frame.assign(**{str(names.get(name, name)): values for name, values in columns.items()})
