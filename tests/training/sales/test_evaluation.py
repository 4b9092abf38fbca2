from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from sales.features import Features
from sales.forecaster import Forecaster, Model
from sales.preprocess import Preprocessor
from tests.sales.forecasts import HORIZON
from training.sales.data.demo import write_demo
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables
from training.sales.evaluation import HOLIDAYS, Evaluation, HoldoutError, evaluate
from training.sales.rows import Rows

CUTOFF = np.datetime64(
    "2013-11-30"
)  # early, so that the days judged are more than a year and last year's start is late


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation") / "data"
    write_demo(folder, stores=20, seed=3)
    return folder


@pytest.fixture(scope="module")
def tables(data):
    return read_tables(data)


@pytest.fixture(scope="module")
def judged(tables):
    """Forecasts that are wrong by a known random factor."""
    panel = panel_from_tables(tables)
    cutoff = int((CUTOFF - np.datetime64("1970-01-01")).astype(int)) - panel.first_day
    rows = Rows.sold(panel, after=cutoff)
    factor = np.random.default_rng(0).lognormal(0.02, 0.15, len(rows))
    return Evaluation(panel, cutoff, rows, rows.sales * factor)


@pytest.fixture(scope="module")
def frame(data, judged):
    """The same rows from the CSV files, by pandas alone; forecasts are looked up by store and date."""
    train = pd.read_csv(data / "train.csv", parse_dates=["Date"], dtype={"StateHoliday": str})
    sold = train[train["Sales"] > 0]
    before = sold[sold["Date"] <= CUTOFF][["Store", "Date", "Sales"]]
    before = before.assign(Date=before["Date"] + pd.Timedelta(weeks=52)).rename(columns={"Sales": "LastYear"})
    panel, rows = judged.panel, judged.rows
    forecast = pd.DataFrame(
        {
            "Store": panel.calendar.stores[rows.store],
            "Date": np.datetime64("1970-01-01") + panel.first_day + rows.day,
            "Forecast": judged.forecast,
            "GivenLastYear": judged.last_year(),
            "Mean": judged.weekday_promotion_mean(),
        }
    )
    merged = sold[sold["Date"] > CUTOFF].merge(before, how="left", on=["Store", "Date"])
    for name in ("store.csv", "store_states.csv"):
        merged = merged.merge(pd.read_csv(data / name), on="Store")
    return merged.merge(forecast, on=["Store", "Date"], validate="one_to_one")


def figures(rows, column="Forecast"):
    """Return the metrics as pandas computes them."""
    error = rows[column] - rows["Sales"]
    share = error / rows["Sales"]
    return {
        "rows": len(rows),
        "rmspe": (share**2).mean() ** 0.5,
        "rmse_log": (np.log(rows[column] / rows["Sales"]) ** 2).mean() ** 0.5,
        "wape": error.abs().sum() / rows["Sales"].sum(),
        "bias": rows[column].sum() / rows["Sales"].sum() - 1,
        "mape": share.abs().mean(),
        "median_ape": share.abs().median(),
    }


def test_the_evaluation_covers_exactly_the_days_with_sales_after_the_cutoff(frame, judged):
    assert len(frame) == len(judged.rows) == judged.metrics()["rows"]
    assert judged.metrics()["from"] == str(frame["Date"].min().date()) == "2013-12-01"
    assert judged.metrics()["to"] == str(frame["Date"].max().date()) == "2015-07-31"


def test_last_year_is_the_same_weekday_52_weeks_before_as_far_as_it_was_known(frame):
    assert 0 < frame["LastYear"].notna().sum() < len(frame)
    np.testing.assert_array_equal(frame["GivenLastYear"], frame["LastYear"])


def test_metrics_agree_with_pandas(frame, judged):
    metrics = judged.metrics()
    both = frame[frame["LastYear"].notna()]
    assert {key: metrics[key] for key in figures(frame)} == pytest.approx(figures(frame), rel=1e-9)
    assert metrics["where_last_year_is_known"] == pytest.approx(figures(both), rel=1e-9)
    assert metrics["last_year_same_weekday"] == pytest.approx(figures(both, "LastYear"), rel=1e-9)


def test_the_mean_by_weekday_and_promotion_is_judged_on_all_rows(frame, judged):
    ours = judged.metrics()["weekday_promotion_mean"]
    assert ours == pytest.approx(figures(frame, "Mean"), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Store type", lambda rows: rows["StoreType"]),
        ("Assortment", lambda rows: rows["Assortment"]),
        ("State", lambda rows: rows["State"]),
        ("Promotion", lambda rows: rows["Promo"].map({0: "no promo", 1: "promo"})),
        ("State holiday", lambda rows: rows["StateHoliday"].astype(str).map(dict(zip("0abc", HOLIDAYS, strict=True)))),
        ("Weekday", lambda rows: rows["DayOfWeek"].astype(str) + " " + rows["Date"].dt.day_name()),
        (
            "Week of the horizon",
            lambda rows: "week " + (((rows["Date"] - CUTOFF).dt.days + 6) // 7).astype(str).str.zfill(2),
        ),
    ],
)
def test_slices_agree_with_a_groupby(frame, judged, name, label):
    ours = judged.slices()[name]
    theirs = {key: figures(rows) for key, rows in frame.groupby(label(frame))}
    assert len(theirs) > 1
    assert set(ours) == set(theirs)
    for key, part in theirs.items():
        assert ours[key] == pytest.approx(part, rel=1e-9), key


def test_a_store_without_a_state_is_a_slice_of_its_own(judged):
    state = judged.panel.state.copy()
    state[0] = -1
    slices = replace(judged, panel=replace(judged.panel, state=state)).slices()["State"]
    assert slices["not known"]["rows"] == (judged.rows.store == 0).sum()


def test_without_a_last_year_there_is_nothing_to_compare_with(judged):
    first = replace(judged.rows, **{name: getattr(judged.rows, name)[:5] for name in ("store", "day", "sales")})
    early = replace(first, day=np.arange(5) + judged.cutoff - 50)
    metrics = Evaluation(judged.panel, judged.cutoff - 51, early, judged.forecast[:5]).metrics()
    assert "last_year_same_weekday" not in metrics
    assert metrics["rows"] == 5


def untrained(tables, cutoff):
    """A forecaster whose network is a formula of its columns, so that every wrong column shows."""
    panel = panel_from_tables(tables, cutoff=np.datetime64(cutoff))
    features = Features(panel, "parity", horizon=HORIZON)
    rows = Rows.sold(panel)
    names = features.feature_set
    preprocessor = Preprocessor.fit(features.build(rows.store, rows.day), names.cat_names, names.cont_names)

    def run(cats, conts):
        weight = np.linspace(0.001, 0.002, cats.shape[1])
        return (8 + cats @ weight + conts @ np.linspace(0.01, 0.02, conts.shape[1])).astype(np.float32)

    return Forecaster(Model("sales", "test", panel, features, preprocessor, run, 49)), preprocessor, run


def test_the_evaluated_forecasts_are_those_that_a_client_gets(tables):
    forecaster, preprocessor, run = untrained(tables, "2015-06-30")
    result = evaluate(forecaster, tables)
    panel, rows = result.panel, result.rows
    assert result.date(result.cutoff) == date(2015, 6, 30)
    assert result.date(int(rows.day.min())) == date(2015, 7, 1)
    assert len(rows) == (tables.train.query("Date > '2015-06-30'")["Sales"] > 0).sum()
    prepared = preprocessor.transform(forecaster.model.features.build(rows.store, rows.day))
    np.testing.assert_allclose(result.forecast, np.exp(run(prepared.cats, prepared.conts)), rtol=1e-5)
    np.testing.assert_array_equal(rows.sales, panel.sales[rows.store, rows.day])


def test_tables_without_later_sales_are_rejected(tables):
    forecaster, _, _ = untrained(tables, "2015-07-31")
    with pytest.raises(HoldoutError, match=r"no sales after 2015-07-31, .* name tables with later sales"):
        evaluate(forecaster, tables)


def test_a_store_that_the_model_does_not_know_is_skipped_and_counted(tables, tmp_path):
    write_demo(tmp_path / "more", stores=21, seed=3)
    more = read_tables(tmp_path / "more")
    forecaster, _, _ = untrained(tables, "2015-07-20")
    result = evaluate(forecaster, more)
    later = more.train.query("Date > '2015-07-20' and Sales > 0")
    assert result.skipped == {"stores that the model does not know": (later["Store"] == 21).sum()}
    assert len(result.rows) == (later["Store"] != 21).sum()
    assert 20 not in result.rows.store, "an index"


def test_tables_of_unknown_stores_alone_are_rejected(tables):
    forecaster, _, _ = untrained(tables, "2015-07-20")
    others = replace(
        tables,
        **{
            name: getattr(tables, name).assign(Store=getattr(tables, name)["Store"] + 100)
            for name in ("train", "test", "store", "store_states")
        },
    )
    with pytest.raises(HoldoutError, match=r"can be judged \(stores that the model does not know: \d+\)"):
        evaluate(forecaster, others)


def test_days_beyond_the_horizon_are_counted_and_not_judged(tables):
    forecaster, _, _ = untrained(tables, "2015-05-31")
    result = evaluate(forecaster, tables)
    assert result.date(int(result.rows.day.max())) == date(2015, 7, 19), "49 days"
    assert result.skipped == {
        "days beyond the horizon of 49 days": (tables.train.query("Date > '2015-07-19'")["Sales"] > 0).sum()
    }


def test_closed_days_are_stated_too(tables):
    """A holiday on a closed day, and the closure, change the columns of the days around it."""
    forecaster, _, _ = untrained(tables, "2015-06-30")
    before = evaluate(forecaster, tables)
    train = tables.train.copy()
    week = (train["Store"] == 1) & train["Date"].between("2015-07-06", "2015-07-11")
    train.loc[week & train["Date"].between("2015-07-08", "2015-07-09"), ["Sales", "Open", "SchoolHoliday"]] = 0, 0, 1
    after = evaluate(forecaster, replace(tables, train=train))
    days = slice(after.panel.calendar.day(date(2015, 7, 6)), after.panel.calendar.day(date(2015, 7, 8)))

    def forecasts(result):
        return result.forecast[
            (result.rows.store == 0) & (result.rows.day >= days.start) & (result.rows.day < days.stop)
        ]

    assert len(forecasts(after)) == len(forecasts(before)) == 2
    assert (forecasts(after) != forecasts(before)).all()
    assert len(after.rows) == len(before.rows) - 2
