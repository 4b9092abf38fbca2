"""Forecasts by other methods, from a table of store, date and sales alone.

Each method takes the sales up to a cutoff and the store-days to forecast, and returns sales ``[row]``.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HORIZON: Final = 42  # days
WEEKS: Final = 8  # number of last weeks of the recent means
LAGS: Final = (42, 49, 56, 63, 364)
MEANS: Final = (7, 28, 91)  # days of the rolling means before the shortest lag
TREES: Final[Mapping[str, Any]] = {
    "objective": "l2",
    "learning_rate": 0.05,
    "num_leaves": 63,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
ROUNDS: Final = 500


def weekday_mean(history: pd.DataFrame, rows: pd.DataFrame, country: str, *, weeks: int | None = None) -> Floats:
    """Return the store's mean on the same weekday, of all its sales or of its last weeks."""
    return _weekday_mean(history, rows, weeks)


def weekday_geometric_mean(
    history: pd.DataFrame, rows: pd.DataFrame, country: str, *, weeks: int | None = None
) -> Floats:
    """Return the same with the geometric mean, which is nearer to the median."""
    logs = history.assign(sales=np.log(history["sales"]))
    return np.asarray(np.exp(_weekday_mean(logs, rows, weeks)))


def recent_weekday_mean(history: pd.DataFrame, rows: pd.DataFrame, country: str) -> Floats:
    """Return the store's mean on the same weekday in the last weeks."""
    return weekday_mean(history, rows, country, weeks=WEEKS)


def recent_weekday_geometric_mean(history: pd.DataFrame, rows: pd.DataFrame, country: str) -> Floats:
    """Return the store's geometric mean on the same weekday in the last weeks."""
    return weekday_geometric_mean(history, rows, country, weeks=WEEKS)


def _weekday_mean(history: pd.DataFrame, rows: pd.DataFrame, weeks: int | None) -> Floats:
    """Return means by store and weekday; of the weekday in all history, then of the store, where there are none."""
    forecast = np.full(len(rows), np.nan)
    weekday = rows["date"].dt.day_of_week.to_numpy()
    last = history["date"].max()
    recent = history if weeks is None else history[history["date"] > last - pd.Timedelta(days=7 * weeks)]
    for part in (recent, history):
        means = part.groupby(["store", part["date"].dt.day_of_week])["sales"].mean()
        found = means.reindex(pd.MultiIndex.from_arrays([rows["store"], weekday])).to_numpy()
        forecast = np.where(np.isnan(forecast), found, forecast)
    overall = history.groupby("store")["sales"].mean().reindex(rows["store"]).to_numpy()
    return np.where(np.isnan(forecast), overall, forecast)


def seasonal_naive(history: pd.DataFrame, rows: pd.DataFrame, country: str) -> Floats:
    """Return the store's last sales on the same weekday."""
    last = history.sort_values("date").groupby(["store", history["date"].dt.day_of_week])["sales"].last()
    key = pd.MultiIndex.from_arrays([rows["store"], rows["date"].dt.day_of_week])
    overall = history.groupby("store")["sales"].median().reindex(rows["store"]).to_numpy()
    found = last.reindex(key).to_numpy(np.float64)
    return np.where(np.isnan(found), overall, found)


def lightgbm(history: pd.DataFrame, rows: pd.DataFrame, country: str, *, seed: int = 0) -> Floats:
    """Return the forecasts of boosted trees that a practitioner would write in an hour.

    Their columns are store, weekday, month, day, distance to a holiday, lags of at least the horizon, rolling means
    before them, and the store's mean on the weekday before them. The target is the log of the sales.
    """
    import lightgbm as lgb

    sales = history.pivot_table(index="date", columns="store", values="sales")
    days = pd.date_range(sales.index.min(), max(rows["date"].max(), sales.index.max()))
    sales = sales.reindex(days)
    logs = pd.DataFrame(np.log(sales.to_numpy()), index=days, columns=sales.columns)
    table = _columns(logs, country)
    table["log"] = logs.stack(future_stack=True)
    training = table.dropna(subset=["log"])
    names = [name for name in table if name != "log"]
    data = lgb.Dataset(training[names], training["log"], categorical_feature=["store", "weekday"], params=dict(TREES))
    booster = lgb.train({**TREES, "seed": seed}, data, num_boost_round=ROUNDS)
    asked = table.loc[pd.MultiIndex.from_arrays([rows["date"], rows["store"]]), names]
    return np.asarray(np.exp(booster.predict(asked, num_threads=1)))


def _columns(logs: pd.DataFrame, country: str) -> pd.DataFrame:
    """Return the columns of the trees, a row for each date and store.

    Args:
        logs: ``[date, store]``, log sales; NaN where unknown.
        country: ISO 3166 code, whose holidays are columns.
    """
    known = logs.shift(HORIZON)
    columns = {f"lag_{lag}": logs.shift(lag) for lag in LAGS}
    columns |= {f"mean_{days}": known.rolling(days, min_periods=1).mean() for days in MEANS}
    columns["mean_all"] = known.expanding(min_periods=1).mean()
    same = [logs.shift(HORIZON + 7 * week) for week in range(WEEKS)]  # the horizon is in whole weeks
    stacked = np.stack([frame.to_numpy() for frame in same])
    count = (~np.isnan(stacked)).sum(axis=0)
    total = np.nansum(stacked, axis=0)
    usual = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    columns["weekday_mean"] = pd.DataFrame(usual, index=logs.index, columns=logs.columns)
    table = pd.DataFrame({name: frame.stack(future_stack=True) for name, frame in columns.items()})
    dates = pd.DatetimeIndex(table.index.get_level_values(0))
    free = pd.DatetimeIndex(sorted(holidays.country_holidays(country, years=range(dates[0].year, dates[-1].year + 1))))
    table["store"] = pd.Categorical(table.index.get_level_values(1)).codes
    table["weekday"], table["month"], table["day"] = dates.day_of_week, dates.month, dates.day
    table["day_of_year"] = dates.day_of_year
    table["holiday"] = dates.isin(free)
    table["eve"] = (dates + pd.Timedelta(days=1)).isin(free)
    return table


def auto_ets(history: pd.DataFrame, rows: pd.DataFrame, country: str) -> Floats:
    """Return the forecasts of statsforecast's AutoETS with a weekly season, on log sales without gaps."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    engine = StatsForecast(models=[AutoETS(season_length=7)], freq="D", n_jobs=1)
    forecast = engine.forecast(df=_without_gaps(history), h=HORIZON)
    return _looked_up(forecast, "AutoETS", rows)


def mlforecast(history: pd.DataFrame, rows: pd.DataFrame, country: str) -> Floats:
    """Return the recursive forecasts of mlforecast with LightGBM, on log sales without gaps."""
    import lightgbm as lgb
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    model = lgb.LGBMRegressor(
        n_estimators=ROUNDS, learning_rate=0.05, num_leaves=63, subsample=0.8, subsample_freq=1, n_jobs=1, verbosity=-1
    )
    engine = MLForecast(
        models={"trees": model},
        freq="D",
        lags=[1, 7, 14, 28],
        lag_transforms={1: [RollingMean(7), RollingMean(28), RollingMean(91)]},
        date_features=["dayofweek", "month", "day"],
    )
    engine.fit(_without_gaps(history), static_features=[])
    return _looked_up(engine.predict(HORIZON), "trees", rows)


def _without_gaps(history: pd.DataFrame) -> pd.DataFrame:
    """Return log sales in the form of Nixtla's packages, with gaps filled by the store's median on the weekday."""
    last = history["date"].max()
    frames = []
    for store, sales in history.groupby("store"):
        log = np.log(sales.set_index("date")["sales"])
        log = log.reindex(pd.date_range(log.index.min(), last))
        usual = log.groupby(log.index.day_of_week).transform("median")
        frames.append(pd.DataFrame({"unique_id": store, "ds": log.index, "y": log.fillna(usual).fillna(log.median())}))
    return pd.concat(frames, ignore_index=True)


def _looked_up(forecast: pd.DataFrame, name: str, rows: pd.DataFrame) -> Floats:
    """Return the forecasts of some rows from a frame of Nixtla's packages."""
    values = np.exp(forecast.set_index(["unique_id", "ds"])[name])
    return np.asarray(values.reindex(pd.MultiIndex.from_arrays([rows["store"], rows["date"]])), dtype=np.float64)


METHODS: Mapping[str, Callable[[pd.DataFrame, pd.DataFrame, str], Floats]] = {
    "weekday mean": weekday_mean,
    "weekday mean, 8 weeks": recent_weekday_mean,
    "weekday geometric mean": weekday_geometric_mean,
    "weekday geometric mean, 8 weeks": recent_weekday_geometric_mean,
    "seasonal naive": seasonal_naive,
    "LightGBM": lightgbm,
    "AutoETS": auto_ets,
    "mlforecast": mlforecast,
}
"""Methods by name, the cheap ones first."""
