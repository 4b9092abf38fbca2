"""sales.preprocess: equal to fastai, plus the differences that a service needs."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastai.tabular.core import Categorify as TheirCategorify
from fastai.tabular.core import FillMissing as TheirFillMissing
from fastai.tabular.core import Normalize as TheirNormalize
from fastai.tabular.core import TabularPandas

from sales.columns.column import FeatureSet
from sales.columns.parity import FEATURES as PARITY
from sales.features import Columns, Features
from sales.panel import Panel
from sales.preprocess import InputQuality, Prepared, Preprocessor, varying
from schemas.sales.manifest import PreprocessSpec
from tests.sales.forecasts import HORIZON
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables

NAN = float("nan")


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


@pytest.fixture(scope="module")
def columns(panel: Panel) -> Columns:
    """Rows of all stores; the last third are later days, with categories that the first two thirds do not have."""
    store, day = np.nonzero(~np.isnan(panel.sales))
    order = np.argsort(day, kind="stable")[::3]
    return Features(panel, "parity", horizon=HORIZON).build(store[order], day[order])


@pytest.fixture(scope="module")
def first(columns: Columns) -> Columns:
    """Training rows."""
    return part(columns, slice(0, 2 * len(columns.cats) // 3))


def part(columns: Columns, rows: Any) -> Columns:
    return Columns(columns.cats[rows].copy(), columns.conts[rows].copy())


@pytest.fixture(scope="module")
def by_fastai(panel: Panel, columns: Columns, first: Columns) -> TabularPandas:
    """fastai's preprocessing of the same columns, with words for category codes."""
    frame: dict[str, Any] = {}
    for name, codes in zip(PARITY.cat_names, columns.cats.T, strict=True):
        words = np.array([*panel.levels[name], None], dtype=object) if name in panel.levels else None
        frame[name] = codes.astype(np.int64) if words is None else words[codes]
    frame.update(zip(PARITY.cont_names, columns.conts.T.astype(np.float64), strict=True))
    rows = np.arange(len(columns.cats))
    return TabularPandas(
        pd.DataFrame(frame),
        procs=[TheirCategorify, TheirFillMissing, TheirNormalize],
        cat_names=list(PARITY.cat_names),
        cont_names=list(PARITY.cont_names),
        splits=(rows[: len(first.cats)].tolist(), rows[len(first.cats) :].tolist()),
        do_setup=True,
        reduce_memory=False,
    )


@pytest.fixture(scope="module")
def ours(first: Columns) -> Preprocessor:
    return Preprocessor.fit(first, PARITY.cat_names, PARITY.cont_names)


def test_category_codes_equal_fastai(
    panel: Panel, columns: Columns, ours: Preprocessor, by_fastai: TabularPandas
) -> None:
    prepared = ours.transform(columns)
    assert by_fastai.cat_names == [*PARITY.cat_names, "CompetitionDistance_na", "CloudCover_na"]
    np.testing.assert_array_equal(prepared.cats, by_fastai.cats.to_numpy())
    assert ours.n_codes == [len(by_fastai.classes[name]) for name in by_fastai.cat_names]
    saved = ours.spec(panel.levels).classes
    for name in PARITY.cat_names:
        assert list(by_fastai.classes[name]) == ["#na#", *saved[name]], name
    # The rows put it to the test: gaps that training knew, and values that it did not.
    events, year = PARITY.cat_names.index("Events"), PARITY.cat_names.index("CompetitionOpenSinceYear")
    assert (prepared.cats[:, events] == 0).any()
    unseen = ours.input_quality(columns, prepared).unseen
    assert not unseen[columns.cats[:, events] == -1, events].any()
    assert unseen.any()
    np.testing.assert_array_equal(unseen, (prepared.cats[:, :-2] == 0) & (columns.cats != -1))
    assert (prepared.cats[:, year] > 0).all()


def test_fill_values_equal_fastais_medians(columns: Columns, ours: Preprocessor, by_fastai: TabularPandas) -> None:
    medians = dict(zip(ours.cont_names, ours.fill_missing.medians, strict=True))
    assert {**by_fastai.fill_missing.na_dict} == {name: medians[name] for name in ("CompetitionDistance", "CloudCover")}
    assert [name for name, gaps in zip(ours.cont_names, ours.fill_missing.gapped, strict=True) if gaps] == [
        name for name, column in zip(ours.cont_names, columns.conts.T, strict=True) if np.isnan(column).any()
    ]
    filled, _ = ours.fill_missing(columns.conts)
    back = by_fastai.conts.to_numpy() * np.array([*by_fastai.normalize.stds.values()])
    np.testing.assert_allclose(filled, back + np.array([*by_fastai.normalize.means.values()]), rtol=1e-6, atol=1e-9)


def test_normalisation_equals_fastai_v1(
    columns: Columns, first: Columns, ours: Preprocessor, by_fastai: TabularPandas
) -> None:
    """fastai v2 uses a standard deviation with n, v1 and ours with n - 1, so the results differ by a known factor."""
    n = len(first.cats)
    names = list(ours.cont_names)
    means, stds = (
        np.array([of[name] for name in names]) for of in (by_fastai.normalize.means, by_fastai.normalize.stds)
    )
    np.testing.assert_allclose(ours.normalize.means, means, rtol=1e-12)
    np.testing.assert_allclose(ours.normalize.stds, (stds - 1e-7) * np.sqrt(n / (n - 1)), rtol=1e-9)
    scale = stds / (ours.normalize.stds + 1e-7)
    assert (scale != 1).all()
    np.testing.assert_allclose(
        ours.transform(columns).conts, by_fastai.conts[names].to_numpy() * scale, rtol=1e-5, atol=1e-6
    )


def fit(cats: list[list[int]], conts: list[list[float]]) -> Preprocessor:
    columns = raw(cats, conts)
    return Preprocessor.fit(columns, [f"cat{i}" for i in range(columns.cats.shape[1])], ["a", "b"])


def raw(cats: list[list[int]], conts: list[list[float]]) -> Columns:
    return Columns(np.array(cats, dtype=np.int32), np.array(conts, dtype=np.float32))


def check(preprocessor: Preprocessor, columns: Columns) -> tuple[Prepared, InputQuality]:
    prepared = preprocessor.transform(columns)
    return prepared, preprocessor.input_quality(columns, prepared)


def test_fitting_depends_on_the_training_rows_alone(columns: Columns, first: Columns) -> None:
    """Later rows do not change the fitted preprocessing."""
    alone = Preprocessor.fit(first, PARITY.cat_names, PARITY.cont_names).spec({})
    wild = part(columns, slice(None))
    wild.conts[len(first.conts) :] *= 1000
    again = Preprocessor.fit(part(wild, slice(0, len(first.cats))), PARITY.cat_names, PARITY.cont_names).spec({})
    assert alone == again
    assert alone != Preprocessor.fit(wild, PARITY.cat_names, PARITY.cont_names).spec({})


def test_a_gap_in_a_column_without_training_gaps_is_filled() -> None:
    """fastai fails with an assertion there; ours uses the saved median and adds no column."""
    preprocessor = fit([[3], [5], [5]], [[1, 10], [2, NAN], [9, 30]])
    got, quality = check(preprocessor, raw([[-1], [4], [5]], [[NAN, 10], [2, 20], [2, NAN]]))
    assert got.cats.tolist() == [[0, 1], [0, 1], [2, 2]]  # the category, and b_na: 1 for no, 2 for yes
    assert quality.filled.tolist() == [[True, False], [False, False], [False, False]]  # training saw gaps in b
    assert quality.unseen.tolist() == [[True], [True], [False]]  # training saw neither a gap nor a 4
    at_median = preprocessor.transform(raw([[3]] * 2, [[2, 20], [2, 20]])).conts
    np.testing.assert_array_equal(got.conts[0, 0], at_median[0, 0])
    np.testing.assert_array_equal(got.conts[2, 1], at_median[0, 1])


def test_a_missing_category_is_not_unseen_if_training_had_gaps() -> None:
    preprocessor = fit([[-1], [7]], [[0, 0], [1, 1]])
    got, quality = check(preprocessor, raw([[-1], [7], [8]], [[0, 0]] * 3))
    assert got.cats.tolist() == [[0], [1], [0]]
    assert quality.unseen.tolist() == [[False], [False], [True]]


@pytest.mark.parametrize("value", [-(2**31), -2, 0, 4, 6, 8, 2**31 - 1])
def test_any_value_not_in_training_is_unseen(value: int) -> None:
    preprocessor = fit([[5, 1], [7, 2]], [[0, 0], [1, 1]])
    got, quality = check(preprocessor, raw([[value, 2], [5, value]], [[0, 0]] * 2))
    assert got.cats.tolist() == [[0, 2], [1, 0]]
    assert quality.unseen.tolist() == [[True, False], [False, True]]


def test_empty_and_constant_columns_do_not_affect_a_forecast() -> None:
    preprocessor = fit([[-1, 4]] * 3, [[NAN, 5]] * 3)
    seen, known = check(preprocessor, raw([[-1, 4]], [[NAN, 5]]))
    assert seen.cats.tolist() == [[0, 1, 2]]
    assert seen.conts.tolist() == [[0, 0]]
    assert not known.unseen.any()
    new, quality = check(preprocessor, raw([[4, -1]], [[3, 7]]))
    assert new.cats.tolist() == [[0, 1, 1]]
    assert quality.unseen.tolist() == [[True, True]]
    assert quality.outside.tolist() == [[True, True]]
    assert new.conts.tolist() == [[0, 0]]
    assert preprocessor.normalize.decode(new.conts).tolist() == [[0, 5]]


def test_values_clearly_outside_the_range_of_training_are_flagged() -> None:
    """The largest store's sales may grow a little without a warning: 5 percent of the range."""
    preprocessor = fit([[0]] * 3, [[-1, 0], [0, 0.5], [4, 1]])
    _, quality = check(preprocessor, raw([[0]] * 3, [[-1, 1.04], [-1.5, 0], [4.24, 1.25]]))
    assert quality.outside.tolist() == [[False, False], [True, False], [False, True]]


def test_one_row_and_no_row_are_handled() -> None:
    one = fit([[3]], [[1, NAN]])  # a sample of 1 has no standard deviation
    assert one.transform(raw([[3]], [[2, 2]])).conts.tolist() == [[0, 0]]
    nothing = one.transform(Columns(np.empty((0, 1), np.int32), np.empty((0, 2), np.float32)))
    assert nothing.cats.shape == (0, 2)
    with pytest.raises(ValueError, match="no training rows"):
        Preprocessor.fit(Columns(np.empty((0, 1), np.int32), np.empty((0, 2), np.float32)), ["c"], ["a", "b"])


def test_saved_preprocessing_gives_equal_inputs(panel: Panel, columns: Columns, ours: Preprocessor) -> None:
    text = ours.spec(panel.levels).model_dump_json()
    again = Preprocessor.of(PreprocessSpec.model_validate_json(text), panel.levels)
    assert again.n_codes == ours.n_codes
    odd = part(columns, slice(0, 400))
    odd.cats[::7] = -1
    odd.cats[::11] = 10_000
    odd.conts[::5] = np.nan
    for rows in (columns, odd):
        assert_equal(again.transform(rows), ours.transform(rows))
    words = ours.spec(panel.levels).classes
    assert words["StoreType"] == sorted(words["StoreType"])
    assert {*words["StoreType"]} <= {*"abcd"}


def assert_equal(one: Prepared, other: Prepared) -> None:
    for name in Prepared._fields:
        got, expected = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


def test_columns_that_never_vary_are_separated() -> None:
    columns = raw([[3, 7, -1], [5, 7, -1], [5, 7, -1]], [[1, 4, NAN, NAN], [1, NAN, NAN, 2], [1, 4, NAN, 3]])
    names = FeatureSet(("varies", "same", "missing"), ("one", "gaps", "none", "numbers"))
    kept, constant = varying(columns, names)
    assert kept == FeatureSet(("varies",), ("gaps", "numbers"))
    assert constant == {"same": 7, "missing": None, "one": 1, "none": None}


def test_values_far_from_the_mean_are_bounded() -> None:
    preprocessor = fit([[1], [2], [1]], [[1, 0], [2, 1], [3, 0]])
    conts = preprocessor.transform(raw([[1]] * 4, [[1e9, 0], [-1e9, 1], [11, 0], [2, 0]])).conts
    assert conts[:, 0].tolist() == pytest.approx([10, -10, 9, 0], abs=1e-5)


def test_unflagged_gaps_get_no_column() -> None:
    columns = raw([[1], [2]], [[1, NAN], [NAN, 3]])
    preprocessor = Preprocessor.fit(columns, ["c"], ["a", "b"], unflagged=["b"])
    assert preprocessor.spec({}).na_names == ["a"]
    prepared = preprocessor.transform(columns)
    assert prepared.cats.tolist() == [[1, 1], [2, 2]]
    assert not np.isnan(prepared.conts).any()
