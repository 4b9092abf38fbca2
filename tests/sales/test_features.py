"""sales.features: in parity mode the columns equal fast.ai's notebook to the digit, also on irregular tables."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fastai.tabular.core import add_elapsed_times
from numpy.typing import NDArray

from sales.calendar import FIELDS
from sales.columns.column import FeatureSet, Mode
from sales.columns.parity import FEATURES as PARITY
from sales.features import FEATURE_SETS, Features, UnknownColumnError
from sales.panel import MISSING, Panel
from sales.preprocess import Preprocessor
from sales.statements.facts import Stated
from sales.statements.plan import Plan
from tests.sales.forecasts import HORIZON
from tests.sales.notebook_reference import EVENTS, lesson_columns
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables, read_tables
from training.sales.model.network import emb_sz_lesson

DURATIONS = tuple(
    name for event in EVENTS for name in (f"After{event}", f"Before{event}", f"{event}_bw", f"{event}_fw")
)


def places(panel: Panel, rows: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the store and day indices of rows with a Store and a Date."""
    store = np.searchsorted(panel.calendar.stores, rows["Store"].to_numpy())
    return store, rows["Date"].to_numpy("datetime64[D]").astype(np.int64) - panel.first_day


def assert_same_columns(panel: Panel, lesson: pd.DataFrame) -> None:
    """Assert that all columns of parity mode equal the notebook's, missing values included."""
    cats, conts = Features(panel, "parity", horizon=HORIZON).build(*places(panel, lesson))
    for name, ours in zip(PARITY.cat_names, cats.T, strict=True):
        expected = lesson[name].astype(object).where(lesson[name].notna(), None).to_numpy()
        if name in panel.levels:
            ours = np.array([*panel.levels[name], None], dtype=object)[ours]  # the code -1 is the last: None
        np.testing.assert_array_equal(ours, expected, err_msg=name)
    for name, ours in zip(PARITY.cont_names, conts.T, strict=True):
        np.testing.assert_array_equal(ours, lesson[name].to_numpy(np.float32), err_msg=name)


def assert_same_durations(panel: Panel, lesson: pd.DataFrame) -> None:
    """Assert that all twelve columns of elapsed days and 7-day counts are equal; fast.ai's model takes eight."""
    _, conts = Features(panel, "parity", FeatureSet((), DURATIONS), horizon=HORIZON).build(*places(panel, lesson))
    for name, ours in zip(DURATIONS, conts.T, strict=True):
        np.testing.assert_array_equal(ours, lesson[name].to_numpy(np.float32), err_msg=name)


@pytest.fixture(scope="module")
def ragged_folder(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo tables with missing rows, as in the real tables, and unusual starts of competitors and Promo2."""
    folder = tmp_path_factory.mktemp("ragged") / "tables"
    shutil.copytree(demo_folder, folder)
    train, test = (pd.read_csv(folder / f"{name}.csv", dtype={"StateHoliday": str}) for name in ("train", "test"))
    store, day = train["Store"], train["Date"]
    absent = (
        (store.eq(1) & day.between("2014-07-01", "2014-12-31"))  # the real tables' 180 stores without half a year
        | (store.eq(2) & day.between("2014-04-16", "2014-04-23"))  # a gap at Easter
        | (store.eq(3) & day.lt("2014-03-05"))  # opened late
        | (store.eq(4) & day.gt("2015-06-11"))  # a gap between past and plan
        | (store.eq(5) & ~day.isin(["2014-05-01", "2014-12-24", "2015-03-02"]))  # three rows
        | (store.eq(6) & (pd.to_datetime(day).dt.dayofweek == 6))  # no Sundays
    )
    train[~absent].to_csv(folder / "train.csv", index=False)
    plan = test["Date"]
    dropped = test["Store"].isin([6, 7]) | (test["Store"].eq(8) & plan.between("2015-08-03", "2015-08-12"))
    test[~dropped].to_csv(folder / "test.csv", index=False)
    about = pd.read_csv(folder / "store.csv")
    about.loc[0, ["CompetitionOpenSinceYear", "CompetitionOpenSinceMonth"]] = [1961, 4]  # before 1990: counts as 0
    about.loc[1, ["CompetitionOpenSinceYear", "CompetitionOpenSinceMonth"]] = [2015, 12]  # not there yet
    about.loc[2, ["Promo2", "Promo2SinceYear", "Promo2SinceWeek"]] = [1, 2009, 53]
    about.to_csv(folder / "store.csv", index=False)
    return folder


@pytest.mark.parametrize("which", ["demo_folder", "ragged_folder"])
def test_parity_columns_equal_the_notebook(which: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(which)
    lesson, panel = lesson_columns(folder), panel_from_tables(read_tables(folder))
    assert panel.calendar.gap.any()
    assert_same_columns(panel, lesson)
    assert_same_durations(panel, lesson)


def test_durations_equal_fastai(ragged_folder: Path) -> None:
    tables = [
        pd.read_csv(ragged_folder / f"{name}.csv", dtype={"StateHoliday": str}, parse_dates=["Date"])
        for name in ("train", "test")
    ]
    rows = pd.concat(tables, ignore_index=True)[["Store", "Date", *EVENTS]]
    rows["StateHoliday"] = rows["StateHoliday"] != "0"
    elapsed = add_elapsed_times(rows, list(EVENTS), "Date", "Store")
    assert_same_durations(panel_from_tables(read_tables(ragged_folder)), elapsed)


@pytest.mark.integration
def test_parity_columns_equal_the_notebook_on_the_real_tables(rossmann: Path, rossmann_tables: Tables) -> None:
    lesson, panel = lesson_columns(rossmann), panel_from_tables(rossmann_tables)
    sold, planned = (rossmann_tables.train["Sales"] > 0).sum(), len(rossmann_tables.test)
    assert len(lesson) == sold + planned
    assert panel.calendar.gap.any(axis=1).sum() >= 180  # stores that the tables leave out for half a year
    assert_same_columns(panel, lesson)
    assert_same_durations(panel, lesson)


@pytest.mark.integration
def test_the_lessons_network_has_229_inputs(rossmann_tables: Tables) -> None:
    panel = panel_from_tables(rossmann_tables)
    assert (len(PARITY.cat_names), len(PARITY.cont_names)) == (22, 16)
    store, day = np.nonzero(~np.isnan(panel.sales))
    columns = Features(panel, "parity", horizon=HORIZON).build(store, day)
    preprocessor = Preprocessor.fit(columns, PARITY.cat_names, PARITY.cont_names)
    assert preprocessor.spec(panel.levels).na_names == ["CompetitionDistance", "CloudCover"]
    assert len(preprocessor.n_codes) == 24
    assert dict(zip(PARITY.cat_names, preprocessor.n_codes, strict=False))["Store"] == 1116
    assert sum(map(emb_sz_lesson, preprocessor.n_codes)) + 16 == 229


@pytest.mark.parametrize("mode", FEATURE_SETS)
@pytest.mark.parametrize("store", [0, 7])
def test_a_plan_gives_the_columns_of_a_calendar_with_the_statements(
    demo_tables: Tables, mode: Mode, store: int
) -> None:
    """Statements about three future days give the same columns as a panel whose calendar contains them."""
    panel = panel_from_tables(demo_tables)
    calendar = panel.calendar
    stated = np.random.default_rng(store).integers(panel.cutoff + 1, calendar.days - 20, 3)
    grids = {name: getattr(calendar, name).copy() for name in FIELDS}
    for grid in grids.values():
        grid[store, stated] = 1 - (grid[store, stated] > 0)
    known = replace(calendar, **grids)
    day = (stated[:, None] + np.arange(-20, 21)).ravel()
    stores = np.full(day.size, store)
    own = np.where(np.arange(day.size) % 2, 0, -1)  # every other row has the plan, the rest the panel's own calendar
    features, plan = Features(panel, mode, horizon=HORIZON), known.rows(np.array([store]))
    planned = features.build(stores, day, Plan(plan, own))
    alone = [features.build(stores[[i]], day[[i]], Plan(plan, own[[i]])) for i in range(day.size)]
    anew, before = (
        Features(replace(panel, calendar=each), mode, horizon=HORIZON).build(stores, day) for each in (known, calendar)
    )
    for got, apart, after, without in zip(planned, zip(*alone, strict=True), anew, before, strict=True):
        np.testing.assert_array_equal(got, np.where(own[:, None] == 0, after, without))
        np.testing.assert_array_equal(np.concatenate(apart), got)
        assert (got != without).any()  # it does make a difference


def test_stated_weather_replaces_the_tables_weather(demo_tables: Tables) -> None:
    panel = panel_from_tables(demo_tables)
    built = Features(panel, "parity", horizon=HORIZON)
    store, day = np.array([0, 0, 0]), np.array([400, 401, 402])
    codes = [built.event_code(str(panel.levels["Events"][0])), built.event_code("Frogs")]
    stated = {
        "Max_TemperatureC": Stated(np.array([0]), np.array([31.5])),
        "Events": Stated(np.array([0, 2]), np.array(codes, np.float64)),
    }
    before, after = built.build(store, day), built.build(store, day, None, stated)
    events, hottest = PARITY.cat_names.index("Events"), PARITY.cont_names.index("Max_TemperatureC")
    assert after.conts[0, hottest] == 31.5
    assert after.cats[0, events] == 0
    assert after.cats[2, events] not in (MISSING, *range(len(panel.levels["Events"])))  # not missing, but never seen
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old[1], new[1])
        assert (old != new).sum() <= 2


@pytest.mark.parametrize("mode", FEATURE_SETS)
def test_an_unknown_column_is_named(demo_tables: Tables, mode: Mode) -> None:
    with pytest.raises(UnknownColumnError, match=f"{mode} mode has no column Moon, Tide"):
        Features(panel_from_tables(demo_tables), mode, FeatureSet(("Store", "Moon"), ("Tide",)), horizon=HORIZON)


@pytest.mark.parametrize("mode", FEATURE_SETS)
def test_columns_are_built_by_name_in_the_given_order(demo_tables: Tables, mode: Mode) -> None:
    """A bundle decides its columns; a later version may have more of them."""
    panel, everything = panel_from_tables(demo_tables), FEATURE_SETS[mode]
    chosen = FeatureSet(everything.cat_names[::-2], everything.cont_names[::-2])
    store, day = np.arange(12), np.linspace(100, panel.cutoff + 30, 12).astype(np.int64)
    columns, all_columns = (
        Features(panel, mode, names, horizon=HORIZON).build(store, day) for names in (chosen, everything)
    )
    for some, every in zip(columns, all_columns, strict=True):
        np.testing.assert_array_equal(some, every[:, ::-2])


def test_a_stated_day_in_a_hole_of_the_plan_has_the_columns_of_a_whole_plan(demo_tables: Tables) -> None:
    """The counts of promotions and holidays were 0 on such a day, whatever the client stated."""
    plan = demo_tables.test
    hole = plan["Store"].eq(3) & plan["Date"].between("2015-08-05", "2015-08-12")
    whole, broken = (
        panel_from_tables(replace(demo_tables, test=rows.reset_index(drop=True))) for rows in (plan, plan[~hole])
    )
    store = np.full(30, 2)
    day = whole.cutoff + 1 + np.arange(30)
    stated = Plan(whole.calendar.rows(np.array([2])), np.zeros(30, dtype=np.int64))
    assert broken.calendar.gap[2, day].sum() == hole.sum() == 8
    expected = Features(whole, "production", horizon=HORIZON).build(store, day)
    for ours, theirs in zip(
        Features(broken, "production", horizon=HORIZON).build(store, day, stated), expected, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
