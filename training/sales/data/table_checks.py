"""Checks of parsed tables: rows that repeat or contradict each other, and references between tables.

In a frame, numbers, flags, dates (days since 1970) and holidays (codes) are floats, and unreadable values are gaps. A
frame may be absent or lack columns.
"""

from datetime import date

import numpy as np
import pandas as pd

from training.sales.data.problems import Problems

Frames = dict[str, pd.DataFrame]  # by table; the index is the row in the file, from 0, with blank lines

SMALLEST, LARGEST = 1e-15, 1e20  # sales of a day; float32 has room for them, and for their products
LONGEST_GAP = 3 * 366  # days without any sale in the whole chain
COUNTRY = "DE"  # the State of the trend that covers the whole country

_UNIQUE = (
    ("train", ("Store", "Date")),
    ("test", ("Store", "Date")),
    ("test", ("Id",)),
    ("store", ("Store",)),
    ("store_states", ("Store",)),
    ("state_names", ("StateName",)),
    ("state_names", ("State",)),
    ("googletrend", ("file", "Date")),
    ("weather", ("file", "Date")),
)
_REFERENCES = (  # each value of the first table's column must be in the second's
    ("train", "Store", "store", "Store"),
    ("train", "Store", "store_states", "Store"),
    ("test", "Store", "store", "Store"),
    ("test", "Store", "store_states", "Store"),
    ("store_states", "State", "state_names", "State"),
    ("googletrend", "State", "state_names", "State"),
    ("weather", "file", "state_names", "StateName"),
    ("events", "Store", "store", "Store"),
    ("events", "Store", "store_states", "Store"),
    ("events", "State", "state_names", "State"),
)


def check_rows(frames: Frames, problems: Problems) -> None:
    """Add the problems of rows that contradict each other or themselves."""
    for table, keys in _UNIQUE:
        if _has(frames, table, keys[-1]):
            rows = frames[table][[key for key in keys if key in frames[table]]].dropna()
            problems.complain(table, rows[rows.duplicated()], "is there already", "keep one row for each")
    if _has(frames, "train", "Sales"):
        days = frames["train"]
        if "Open" in days:
            closed = days.loc[(days["Open"] == 0) & (days["Sales"] > 0), ["Open", "Sales"]]
            problems.complain("train", closed, "closed, yet it has sales", "set Open to 1 or Sales to 0")
        positive = days["Sales"] > 0
        tiny, huge = days[positive & (days["Sales"] < SMALLEST)], days[days["Sales"] > LARGEST]
        problems.complain("train", tiny[["Sales"]], f"below {SMALLEST:g}", "state all sales in a smaller unit")
        problems.complain(
            "train", huge[["Sales"]], f"above {LARGEST:g}", "correct it, or state all sales in a larger unit"
        )
        _check_span(days.loc[positive, "Date"] if "Date" in days else pd.Series(dtype=float), problems)
        if days["Sales"].max() == 0:
            problems.add("train", "Sales", "0 in every row", "add days with sales", rows=len(days))
    if _has(frames, "events", "From", "To"):
        events = frames["events"]
        problems.complain(
            "events",
            events.loc[events["To"] < events["From"], ["From", "To"]],
            "ends before it begins",
            "swap the days",
        )
    if _has(frames, "store", "Promo2SinceWeek", "Promo2SinceYear"):
        since = frames["store"][["Promo2SinceWeek", "Promo2SinceYear"]].dropna()
        weeks = [date(int(year), 12, 28).isocalendar().week for year in since["Promo2SinceYear"]]  # 52 or 53
        late = since[since["Promo2SinceWeek"] > np.array(weeks)]
        problems.complain("store", late, "that year has 52 weeks", "correct one of them")


def _check_span(days: pd.Series, problems: Problems) -> None:
    """Add the problem of sales that are years apart from all others, such as those of a mistyped year."""
    sold = np.sort(days.dropna().unique())
    gaps = np.diff(sold)
    if gaps.size and gaps.max() > LONGEST_GAP:
        place = int(gaps.argmax())
        early, late = days[days <= sold[place]], days[days > sold[place]]
        rows = (early if len(early) < len(late) else late).to_frame("Date")
        cause = f"no store has sales in the {int(gaps[place]) - 1:,} days between these rows and the others"
        problems.complain("train", rows, cause, "correct the year, or remove the rows")


def check_joins(frames: Frames, problems: Problems) -> None:
    """Add the problems of rows without a partner in another table, and of days that are both past and planned."""
    files = problems.files
    for table, column, other, key in _REFERENCES:
        if _has(frames, table, column) and _has(frames, other, key):
            known = {*frames[other][key].dropna().unique()} | ({COUNTRY} if table == "googletrend" else set())
            rows = frames[table][[column]].dropna()
            lost = rows[~rows[column].isin(known)]
            problems.complain(table, lost, f"not in {files[other]}", f"add it to {files[other]}, or remove these rows")
    _check_events(frames, problems)
    if _has(frames, "train", "Store", "Date") and _has(frames, "test", "Store", "Date"):
        past, plan = (frames[table][["Store", "Date"]].dropna() for table in ("train", "test"))
        days = [frame["Store"] * 2**17 + frame["Date"] for frame in (past, plan)]  # one number for each store and day
        both = plan[days[1].isin(days[0])]
        problems.complain("test", both, f"is in {files['train']} too", "plan later days only")
    if "weather" in frames:
        _check_places(frames, problems)
    if _has(frames, "googletrend", "file") and COUNTRY not in set(frames["googletrend"]["State"]):
        cause = f"no trend of the whole country (Rossmann_{COUNTRY})"
        problems.add("googletrend", "file", cause, "add its weeks")


def _check_events(frames: Frames, problems: Problems) -> None:
    """Add the problems of events of unknown stores and states, if no other table lists them."""
    if _has(frames, "events", "Store") and not _has(frames, "store", "Store"):
        tables = [table for table in ("train", "test") if _has(frames, table, "Store")]
        known = {store for table in tables for store in frames[table]["Store"].dropna().unique()}
        rows = frames["events"][["Store"]].dropna()
        names = " and ".join(problems.files[table] for table in tables)
        problems.complain("events", rows[~rows["Store"].isin(known)], f"not in {names}", "correct or remove these rows")
    if _has(frames, "events", "State") and not _has(frames, "state_names", "State"):
        table = states_table(frames)
        rows = frames["events"][["State"]].dropna()
        stores = problems.files["store"]
        if table is None:
            problems.complain(
                "events", rows, "no table states where each store is", f"add {stores} with the column state"
            )
        else:
            lost = rows[~rows["State"].isin({*frames[table]["State"].dropna()})]
            problems.complain("events", lost, f"not in {problems.files[table]}", "correct or remove these rows")


def _check_places(frames: Frames, problems: Problems) -> None:
    """Add the problems of weather that belongs to no store, and of stores in a state without weather."""
    table = states_table(frames)
    places = frames["weather"]["State"].dropna() if "State" in frames["weather"] else pd.Series(dtype=object)
    if table is None:
        if places.nunique() > 1:
            stores = problems.files["store"]
            cause = f"{places.nunique()} places, but no table states where each store is"
            problems.add("weather", "file", cause, f"add {stores} with the columns store and state")
        return
    states = frames[table][["State"]].dropna()
    if "State" not in frames["weather"]:
        if states["State"].nunique() > 1:
            cause = f"the weather has no column state, but the stores are in {states['State'].nunique()} states"
            problems.add("weather", "file", cause, "add the column, with the states of the stores")
        return
    dry = states[~states["State"].isin({*places})]
    if _has(frames, "state_names", "State"):  # otherwise a state without a name would be two problems
        dry = dry[dry["State"].isin(frames["state_names"]["State"])]
    problems.complain(table, dry, "no weather for this state", f"add its rows to {problems.files['weather']}")


def states_table(frames: Frames) -> str | None:
    """Return the table that has the stores' states; None if there is none."""
    tables = [table for table in ("store_states", "store") if _has(frames, table, "Store", "State")]
    return next((table for table in tables if frames[table]["State"].notna().any()), None)


def _has(frames: Frames, table: str, *columns: str) -> bool:
    return table in frames and all(column in frames[table] for column in columns)
