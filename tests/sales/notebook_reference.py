"""The fast.ai lesson's cleaning notebook (rossman_data_clean.ipynb) in plain pandas, as the reference for parity mode.

It follows the notebook's steps from the CSV files on and imports nothing of this project. The only difference: past and
plan are one frame here, while the notebook applies the same steps to two frames.
"""

from datetime import date
from pathlib import Path

import pandas as pd

EVENTS = ["SchoolHoliday", "StateHoliday", "Promo"]


def lesson_columns(folder: Path) -> pd.DataFrame:
    """Return all columns of the notebook's ``train_clean`` and, below it, ``test_clean``.

    Args:
        folder: the seven CSV files.

    Returns:
        The rows of train.csv with sales, then those of test.csv, whose ``Sales`` are NaN.
    """
    train, test, store, states, names, trend, weather = (
        # As text, because a file whose holidays are all 0 would be read as numbers, none of which is the text "0".
        pd.read_csv(folder / f"{name}.csv", low_memory=False, dtype={"StateHoliday": str})
        for name in ("train", "test", "store", "store_states", "state_names", "googletrend", "weather")
    )
    days = pd.concat([train, test], ignore_index=True)
    days["StateHoliday"] = days["StateHoliday"] != "0"

    weather = weather.merge(names, how="left", left_on="file", right_on="StateName")
    trend["Date"] = trend["week"].str.split(" - ").str[0]
    trend["State"] = trend["file"].str.split("_").str[2].replace("NI", "HB,NI")
    for table in (days, weather, trend):
        table["Date"] = pd.to_datetime(table["Date"])
        table["Year"], table["Month"], table["Day"] = (getattr(table["Date"].dt, of) for of in ("year", "month", "day"))
        table["Week"] = table["Date"].dt.isocalendar().week.astype(int)
    country = trend[trend["file"] == "Rossmann_DE"]

    rows = len(days)
    days = _join(days, _join(store, states, ["Store"]), ["Store"])
    days = _join(days, trend, ["State", "Year", "Week"])
    days = days.merge(country, how="left", on=["Year", "Week"], suffixes=("", "_DE"))
    days = _join(days, weather, ["State", "Date"])
    assert len(days) == rows, "a join doubled rows"

    for column, signal in {
        "CompetitionOpenSinceYear": 1900,
        "CompetitionOpenSinceMonth": 1,
        "Promo2SinceYear": 1900,
        "Promo2SinceWeek": 1,
    }.items():
        days[column] = days[column].fillna(signal).astype(int)
    opened = {"year": days["CompetitionOpenSinceYear"], "month": days["CompetitionOpenSinceMonth"], "day": 15}
    competition = (days["Date"] - pd.to_datetime(pd.DataFrame(opened))).dt.days
    competition[(competition < 0) | (days["CompetitionOpenSinceYear"] < 1990)] = 0
    days["CompetitionDaysOpen"] = competition
    days["CompetitionMonthsOpen"] = (competition // 30).clip(upper=24)

    weeks = days[["Promo2SinceYear", "Promo2SinceWeek"]].drop_duplicates()
    weeks["Promo2Since"] = pd.to_datetime(
        [date.fromisocalendar(year, week, 1) for year, week in weeks.itertuples(index=False)]
    )
    days = _join(days, weeks, ["Promo2SinceYear", "Promo2SinceWeek"])
    promo2 = (days["Date"] - days["Promo2Since"]).dt.days
    promo2[(promo2 < 0) | (days["Promo2SinceYear"] < 1990)] = 0
    days["Promo2Days"] = promo2
    days["Promo2Weeks"] = (promo2 // 7).clip(0, 25)

    days = pd.concat([days, _durations(days)], axis=1)
    return days[days["Sales"] != 0].reset_index(drop=True)


def _join(left: pd.DataFrame, right: pd.DataFrame, on: list[str]) -> pd.DataFrame:
    """Join from the left, and keep the left column if both frames have one of the same name."""
    joined = left.merge(right, how="left", on=on, suffixes=("", "_y"))
    return joined.drop(columns=[name for name in joined if str(name).endswith("_y")])


def _durations(days: pd.DataFrame) -> pd.DataFrame:
    """Return days since and until each event, and its count in the last and next 7 rows, in the order of ``days``."""
    columns = {}
    for prefix, suffix, ascending in (("After", "_bw", True), ("Before", "_fw", False)):
        ordered = days[["Store", "Date", *EVENTS]].sort_values(["Store", "Date"], ascending=[True, ascending])
        of_store = ordered[EVENTS].astype(float).groupby(ordered["Store"])
        counts = of_store.rolling(7, min_periods=1).sum().droplevel(0)
        for event in EVENTS:
            happened = ordered["Date"].where(ordered[event].astype(bool))
            last = happened.groupby(ordered["Store"]).ffill()
            columns[f"{prefix}{event}"] = (ordered["Date"] - last).dt.days.fillna(0).astype(int)
            columns[f"{event}{suffix}"] = counts[event].astype(int)
    return pd.DataFrame(columns).reindex(days.index)
