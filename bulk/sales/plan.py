"""The plan of a job: what all its rows state about the days of stores, and how they are written, in any cut."""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from sales.arrays import Int8, Int64
from sales.calendar import FIELDS, Calendar
from sales.statements.facts import NOT_STATED, Elsewhere
from training.sales.data.values import Reading, style_of

PLAN = "_PLAN.npz"
STYLES = "_STYLES.npz"  # a survey without all statements, where the rows show together how some of them are written

Readings = Mapping[str, frozenset[Reading]]  # by field


class Survey(NamedTuple):
    """Statements of some rows about days, and readings of the texts in their columns.

    Attributes:
        places: places of the statements in ``[field of FIELDS, store, day]``, ascending.
        values: their values for the calendar; of several statements about a day, the last in the order of the rows.
        readings: readings of the columns' texts.
        is_complete: false if statements are left out, because other rows may say how they are written.
        taken: names of columns that forecasts would have, so that all parts add a column of one name.
    """

    places: Int64 = np.empty(0, np.int64)
    values: Int8 = np.empty(0, np.int8)
    readings: Readings = {}  # noqa: RUF012 - never changed
    is_complete: bool = True
    taken: frozenset[str] = frozenset()


class JobPlan:
    """Statements about store-days, and the styles of columns.

    Attributes:
        days: ``[field of FIELDS, store, day]``, value for the calendar, or ``NOT_STATED``.
    """

    def __init__(self, calendar: Calendar, survey: Survey) -> None:
        """Initialize the plan.

        Args:
            calendar: the model's calendar.
            survey: survey of all rows.
        """
        self.days: Int8 = np.full((len(FIELDS), *calendar.open.shape), NOT_STATED, np.int8)
        self.days.reshape(-1)[survey.places] = survey.values
        self._stated = (self.days != NOT_STATED).any(axis=0)

    def about(self, stores: Int64) -> Elsewhere | None:
        """Return the statements about some different stores, as one request's; None if there are none."""
        place, day = np.nonzero(self._stated[stores])
        if not place.size:
            return None
        store = stores[place]
        return Elsewhere(np.zeros_like(store), store, day, self.days[:, store, day])


def statements(calendar: Calendar, store: Int64, day: Int64, days: Int8 | None) -> tuple[Int64, Int8]:
    """Return the places and values of some rows' statements; see `Survey`.

    Args:
        calendar: the model's calendar.
        store: ``[row]``, index of the store.
        day: ``[row]``, index of the day.
        days: ``[field of FIELDS, row]``, value for the calendar, or ``NOT_STATED``; None if no row states any.
    """
    if days is None:
        return np.empty(0, np.int64), np.empty(0, np.int8)
    field, row = np.nonzero(days != NOT_STATED)
    places = np.ravel_multi_index((field, store[row], day[row]), (len(FIELDS), *calendar.open.shape))
    return _last(places, days[field, row])


def styles(survey: Survey) -> dict[str, int]:
    """Return the styles of the columns by field."""
    return {field: style_of(found) for field, found in survey.readings.items()}


def together(surveys: Iterable[Survey]) -> Survey:
    """Return one survey of the rows of several, in their order."""
    listed = [Survey(), *surveys]
    places, values = (np.concatenate(arrays) for arrays in zip(*(survey[:2] for survey in listed), strict=True))
    readings: dict[str, frozenset[Reading]] = {}
    for survey in listed:
        readings |= {field: readings.get(field, frozenset()) | found for field, found in survey.readings.items()}
    is_complete = all(survey.is_complete for survey in listed)
    return Survey(
        *_last(places, values), readings, is_complete, frozenset().union(*(survey.taken for survey in listed))
    )


def merged(parts: Iterable[bytes]) -> bytes:
    """Return the surveys of parts together, in their order."""
    return written(together(map(read_survey, parts)))


def _last(places: Int64, values: Int8) -> tuple[Int64, Int8]:
    """Return the distinct places, ascending, each with its last value."""
    found, backwards = np.unique(places[::-1], return_index=True)
    return found, values[len(places) - 1 - backwards]


def written(survey: Survey) -> bytes:
    """Return a survey as an npz file. It has the gaps between places, which are small numbers that repeat."""
    readings = {field: sorted(found) for field, found in sorted(survey.readings.items())}
    arrays = {
        "gaps": np.diff(survey.places, prepend=0),
        "values": survey.values,
        "texts": np.frombuffer(json.dumps([readings, sorted(survey.taken)]).encode(), np.uint8),
        "is_complete": np.array(survey.is_complete),
    }
    file = io.BytesIO()
    # why level 1: 42,000 places take 2.4 ms, and by np.savez_compressed and without gaps 27 ms, in more bytes.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as opened:
                np.lib.format.write_array(opened, array, allow_pickle=False)
    return file.getvalue()


def read_survey(content: bytes) -> Survey:
    """Return a survey that `written` has written."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        listed, taken = json.loads(arrays["texts"].tobytes())
        readings = {field: frozenset(map(tuple, found)) for field, found in listed.items()}
        is_complete = bool(arrays["is_complete"])
        return Survey(np.cumsum(arrays["gaps"]), arrays["values"], readings, is_complete, frozenset(taken))
