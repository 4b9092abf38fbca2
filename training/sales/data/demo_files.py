"""Files of the synthetic tables: dates, and the header, order and quotes of the real files.

`demo.py` draws the contents. This module draws no random numbers and does not use the effects.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FIRST, LAST, PLANNED = (np.datetime64(day) for day in ("2013-01-01", "2015-07-31", "2015-09-17"))
DAY = np.timedelta64(1, "D")
DAYS = np.arange(FIRST, PLANNED + DAY)
WEEKDAY = (DAYS.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
TREND_WEEKS = np.datetime64("2012-12-02") + 7 * np.arange(148) * DAY
STATES = {
    "BadenWuerttemberg": "BW",
    "Bayern": "BY",
    "Berlin": "BE",
    "Brandenburg": "BB",
    "Bremen": "HB",
    "Hamburg": "HH",
    "Hessen": "HE",
    "MecklenburgVorpommern": "MV",
    "Niedersachsen": "HB,NI",
    "NordrheinWestfalen": "NW",
    "RheinlandPfalz": "RP",
    "Saarland": "SL",
    "Sachsen": "SN",
    "SachsenAnhalt": "ST",
    "SchleswigHolstein": "SH",
    "Thueringen": "TH",
}
CODES = list(STATES.values())
TREND_OF = [code for code in CODES if code not in ("HB", "BB", "MV")]
INTERVALS = ("Jan,Apr,Jul,Oct", "Feb,May,Aug,Nov", "Mar,Jun,Sept,Dec")
MARKER = "SYNTHETIC.json"
_README = """\
SYNTHETIC DATA. These tables are made up by "shopcat demo" (seed {seed}, {stores} stores).
They have the format of the tables of the Rossmann Store Sales competition and not one of their values.
Stores, sales, customers, weather, search trend, promotions and school holidays are random numbers; only the calendar
and the names of the German states are real. A model that is trained on them knows nothing about any real shop.

train.csv         2013-01-01 to 2015-07-31, with sales
test.csv          the plan for 2015-08-01 to 2015-09-17, without
SYNTHETIC.json    says to programs what this file says to people, and has the effects that a model should find
"""


@dataclass(frozen=True)
class Shops:
    """Attributes of the stores; arrays are ``[store]``, NaN where the file has a gap."""

    state: Ints  # index into CODES
    kind: NDArray[np.str_]
    assortment: NDArray[np.str_]
    level: Floats
    distance: Floats  # of the competitor, in metres
    month: Floats  # of its opening
    year: Floats
    promo2: Flags
    since_week: Ints
    since_year: Ints
    interval: Ints  # index into INTERVALS
    sundays: Flags  # open every day, holidays too
    gap: Flags  # no rows for the second half of 2014
    refurbished: Ints  # [store, 2]: first day of the closure and of the reopening, as index; -1: never


@dataclass(frozen=True)
class Plan:
    """Plan of each store and day of DAYS; arrays are ``[store, day]``."""

    open: Flags
    promo: Flags
    holiday: NDArray[np.str_]  # 0, a, b, c
    school: Flags


def _write(file: Path, header: str, lines: Iterable[str]) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as opened:
        opened.write(header + "\n")
        opened.writelines(line + "\n" for line in lines)


def _whole(value: float) -> str:
    return "" if np.isnan(value) else str(int(value))


def write_days(part: Path, shops: Shops, plan: Plan, sold: Ints, customers: Ints) -> None:
    """Write train.csv and test.csv, with the latest day first, as in the real files."""
    stores, days = sold.shape
    opens, promo, school = (flags.astype(int) for flags in (plan.open, plan.promo, plan.school))
    weekday, known = WEEKDAY + 1, len(DAYS[DAYS <= LAST])
    absent = (DAYS.astype("datetime64[Y]") == np.datetime64("2014")) & (np.datetime64("2014-07-01") <= DAYS)
    train = (
        f"{s + 1},{weekday[d]},{DAYS[d]},{sold[s, d]},{customers[s, d]},{opens[s, d]},{promo[s, d]}"
        f',"{plan.holiday[s, d]}","{school[s, d]}"'
        for d in range(known - 1, -1, -1)
        for s in range(stores)
        if not (shops.gap[s] and absent[d])
    )
    columns = '"Store","DayOfWeek","Date","Sales","Customers","Open","Promo","StateHoliday","SchoolHoliday"'
    _write(part / "train.csv", columns, train)
    stated = opens.astype(str)
    forgotten = known + np.flatnonzero(plan.open[-1, known:])[:11]
    stated[-1, forgotten] = ""  # the real tables have such gaps too
    test = (
        f'{i + 1},{s + 1},{weekday[d]},{DAYS[d]},{stated[s, d]},{promo[s, d]},"{plan.holiday[s, d]}","{school[s, d]}"'
        for i, (d, s) in enumerate((d, s) for d in range(days - 1, known - 1, -1) for s in range(stores))
    )
    _write(part / "test.csv", '"Id","Store","DayOfWeek","Date","Open","Promo","StateHoliday","SchoolHoliday"', test)


def write_stores(part: Path, shops: Shops) -> None:
    """Write store.csv, store_states.csv and state_names.csv."""

    def quoted(code: str) -> str:
        return f'"{code}"' if "," in code else code

    stores, no_promo2 = [], '0,,,""'
    for s in range(len(shops.level)):
        about = f'{s + 1},"{shops.kind[s]}","{shops.assortment[s]}"'
        rival = ",".join(map(_whole, (shops.distance[s], shops.month[s], shops.year[s])))
        promo2 = f'1,{shops.since_week[s]},{shops.since_year[s]},"{INTERVALS[shops.interval[s]]}"'
        stores.append(f"{about},{rival},{promo2 if shops.promo2[s] else no_promo2}")
    competition = '"CompetitionDistance","CompetitionOpenSinceMonth","CompetitionOpenSinceYear"'
    promo2 = '"Promo2","Promo2SinceWeek","Promo2SinceYear","PromoInterval"'
    _write(part / "store.csv", f'"Store","StoreType","Assortment",{competition},{promo2}', stores)
    states = (f"{s + 1},{quoted(CODES[state])}" for s, state in enumerate(shops.state))
    _write(part / "store_states.csv", "Store,State", states)
    _write(part / "state_names.csv", "StateName,State", (f"{name},{quoted(code)}" for name, code in STATES.items()))


def write_weather(part: Path, sky: Mapping[str, Any]) -> None:
    """Write weather.csv, state by state; a column with gaps or fractions has decimal points in all rows."""
    columns = []
    for values in sky.values():
        if values.dtype.kind == "U":
            columns.append(values.ravel().tolist())
        elif (values != np.round(values)).any():  # true of NaN as well
            columns.append(["" if np.isnan(value) else str(value) for value in values.ravel().tolist()])
        else:
            columns.append([str(int(value)) for value in values.ravel().tolist()])
    keys = (f"{name},{day}" for name in STATES for day in DAYS)
    lines = (",".join(row) for row in zip(keys, *columns, strict=True))
    _write(part / "weather.csv", ",".join(["file", "Date", *sky]), lines)


def write_trend(part: Path, interest: Floats) -> None:
    """Write googletrend.csv: the whole country first, then the states that have a trend."""
    national = np.round(interest.mean(axis=0))
    series = {"Rossmann_DE": national} | {
        f"Rossmann_DE_{code.rpartition(',')[2]}": interest[CODES.index(code)] for code in TREND_OF
    }
    weeks = [f"{sunday} - {sunday + 6 * DAY}" for sunday in TREND_WEEKS]
    lines = (
        f"{name},{week},{int(v)}" for name, values in series.items() for week, v in zip(weeks, values, strict=True)
    )
    _write(part / "googletrend.csv", "file,week,trend", lines)


def is_synthetic(folder: Path) -> bool:
    """Return True if `write_demo` made the tables in ``folder``."""
    return (folder / MARKER).is_file()


def write_about(part: Path, stores: int, seed: int, effects: Mapping[str, Any]) -> None:
    """Write README.txt for people and the marker for programs, which state that the tables are synthetic."""
    marker = {"synthetic": True, "made by": "shopcat demo", "stores": stores, "seed": seed, "effects": effects}
    (part / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
    (part / "README.txt").write_text(_README.format(stores=stores, seed=seed), encoding="utf-8")
