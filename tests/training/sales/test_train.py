"""training.sales.train: holdout, refit and resume, with small networks on a few stores."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from runtime.bundle import WEIGHTS
from sales.bundle import load
from sales.forecaster import Forecaster
from schemas.problems import Problem
from schemas.sales.answer import Forecast
from schemas.sales.parse import parse_request
from tests.training.sales.small import OPTIONS, SMALL
from training.loop.checkpoint import CheckpointError
from training.loop.history import Epoch
from training.loop.learner import Learner
from training.options import OptionsError
from training.run import Run
from training.sales.baselines import BaselineError
from training.sales.data.tables import Tables
from training.sales.evaluation import HoldoutError
from training.sales.fit import Fitted
from training.sales.options import DEFAULT_HORIZON, Options
from training.sales.train import Trained, holdout_cutoff, train


@pytest.fixture(scope="module")
def trained(tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    out = tmp_path_factory.mktemp("trained") / "sales"
    return out, train(tables, out, OPTIONS, Run("sales", progress=False))


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / WEIGHTS)


def assert_same_weights(first: Path, second: Path) -> None:
    ours, theirs = weights(first), weights(second)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []


def last_sale(tables: Tables) -> np.datetime64:
    return tables.train.loc[tables.train["Sales"] > 0, "Date"].to_numpy("datetime64[D]").max()


@pytest.mark.parametrize("plan_days", [0, 7, 48, 366])
def test_the_holdout_is_as_long_as_the_horizon_whatever_the_plan(tables: Tables, plan_days: int) -> None:
    last = last_sale(tables)
    row = tables.test.head(1)
    plan = pd.concat([row.assign(Date=pd.Timestamp(last + 1 + day)) for day in range(plan_days)] or [row.head(0)])
    assert holdout_cutoff(replace(tables, test=plan), Options.of()) == last - DEFAULT_HORIZON


@pytest.mark.parametrize(("days", "held_out"), [(150, 49), (147, 49), (146, 48), (60, 20), (2, 1)])
def test_the_holdout_is_a_third_of_the_sales_if_there_are_few(tables: Tables, days: int, held_out: int) -> None:
    last = last_sale(tables)
    every_day = pd.DataFrame({"Date": pd.date_range(last - days + 1, last).astype("datetime64[s]"), "Sales": 1.0})
    assert holdout_cutoff(replace(tables, train=every_day), Options.of()) == last - held_out


def test_one_day_of_sales_is_too_few(tables: Tables) -> None:
    one_day = tables.train[tables.train["Date"] == pd.Timestamp(last_sale(tables))]
    with pytest.raises(HoldoutError, match=r"all sales are of one day, 2015-07-31, .* add earlier sales"):
        holdout_cutoff(replace(tables, train=one_day), Options.of())


def test_the_holdout_has_the_given_number_of_days(tables: Tables) -> None:
    assert holdout_cutoff(tables, Options.of(holdout=10)) == last_sale(tables) - 10


def test_parity_mode_holds_out_as_many_rows_as_the_plan_has(tables: Tables) -> None:
    sold = tables.train.loc[tables.train["Sales"] > 0, "Date"].to_numpy("datetime64[D]")
    cutoff = holdout_cutoff(tables, Options.of("parity"))
    n_rows = int((sold > cutoff).sum())
    on_first_day = int((sold == cutoff + 1).sum())
    assert n_rows - on_first_day <= len(tables.test) < n_rows, "whole days, and one row more than the plan"


def test_a_holdout_that_leaves_nothing_to_train_on_is_rejected(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(HoldoutError, match=r"leaves nothing to train on .* choose other holdout days"):
        train(tables, tmp_path / "sales", Options.of(holdout=10_000), Run("sales", progress=False))
    assert not [*tmp_path.iterdir()]


# The training.


def test_the_manifest_states_options_and_rows(tables: Tables, trained: tuple[Path, Trained]) -> None:
    manifest = trained[1].manifest
    assert manifest.training["epochs"] == 2
    assert manifest.training["rows"] == int((tables.train["Sales"] > 0).sum())
    assert manifest.synthetic, "the tables are those of `shopcat demo`"
    assert manifest.metrics == load(trained[0]).manifest.metrics


def test_the_refit_knows_all_days_and_the_figures_are_of_the_first_fit(
    tables: Tables, trained: tuple[Path, Trained], tmp_path: Path
) -> None:
    first_fit = train(tables, tmp_path / "sales", Options.of(**SMALL, refit=False), Run("sales", progress=False))
    refit = trained[1]
    last = date.fromisoformat(str(last_sale(tables)))
    assert refit.manifest.cutoff == last > first_fit.manifest.cutoff
    assert first_fit.manifest.metrics["rmspe"] == refit.manifest.metrics["rmspe"]
    assert first_fit.manifest.training["rows"] < refit.manifest.training["rows"]
    ours, theirs = weights(tmp_path / "sales"), weights(trained[0])
    assert not np.array_equal(ours["layers.0.0.weight"], theirs["layers.0.0.weight"])


@pytest.fixture
def bad_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every network forecast twice the sales that it computes."""
    forecast = Fitted.forecast
    monkeypatch.setattr(Fitted, "forecast", lambda fitted, rows: 2 * forecast(fitted, rows))


@pytest.mark.usefixtures("bad_model")
def test_a_model_that_is_worse_than_a_baseline_is_saved_with_a_warning(
    tables: Tables, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "sales"
    train(tables, out, Options.of(**SMALL, refit=False), Run("sales", progress=False))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "the model is not better than" in warning
    assert "the weekday-and-promotion mean (RMSPE " in warning
    assert "Caution: the model is not better than" in " ".join((out / "MODEL_CARD.md").read_text().split())


@pytest.mark.usefixtures("bad_model")
def test_a_model_that_must_beat_the_baselines_and_does_not_is_no_bundle(tables: Tables, tmp_path: Path) -> None:
    out = tmp_path / "sales"
    with pytest.raises(BaselineError, match=r"not better than .* no bundle was written"):
        train(tables, out, OPTIONS, Run("sales", progress=False), require_better_than_baseline=True)
    assert not out.exists()


def test_days_after_the_holdout_do_not_change_the_first_fit(
    tables: Tables, trained: tuple[Path, Trained], tmp_path: Path
) -> None:
    """Columns look up to two weeks ahead, also at the end of the holdout."""
    other_plan = replace(tables, test=tables.test.assign(Promo=1 - tables.test["Promo"], SchoolHoliday=1))
    again = train(other_plan, tmp_path / "sales", Options.of(**SMALL, refit=False), Run("sales", progress=False))
    assert np.array_equal(again.evaluation.forecast, trained[1].evaluation.forecast)


@pytest.mark.parametrize(("horizon", "held_out"), [(1, 1), (366, 313)])
def test_the_bundle_has_the_horizon_of_the_options(tables: Tables, tmp_path: Path, horizon: int, held_out: int) -> None:
    """The shortest and the longest horizon; the sales of the tables span 941 days, and a third is held out at most."""
    options = Options.of(**SMALL, refit=False, horizon=horizon, beyond_horizon="refuse")
    out = tmp_path / "sales"
    trained = train(tables, out, options, Run("sales", progress=False))
    assert (trained.manifest.horizon, trained.manifest.beyond_horizon) == (horizon, "refuse")
    assert trained.manifest.training["holdout"] == held_out
    forecaster = Forecaster.load(out)
    first, last, beyond = (
        forecaster.predict([parse_request({"store": 1, "date": str(forecaster.cutoff + timedelta(days=days))})])[0]
        for days in (1, horizon, horizon + 1)
    )
    assert isinstance(first, Forecast)
    assert isinstance(last, Forecast)
    assert isinstance(beyond, Problem)
    used = trained.manifest.preprocess.cont_names
    assert ("DaysAhead" in used) == (horizon > 1), "with a horizon of one day, DaysAhead never varies"


def test_a_holdout_shorter_than_the_horizon_is_a_warning(
    tables: Tables, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = Options.of(**{**SMALL, "epochs": 1}, refit=False, horizon=330)
    train(tables, tmp_path / "sales", options, Run("sales", progress=False))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("evaluated on the last 313 only, and not on its horizon of 330 days" in text for text in warnings)


def test_a_horizon_longer_than_the_sales_is_rejected(tables: Tables, tmp_path: Path) -> None:
    short = replace(tables, train=tables.train[tables.train["Date"] >= np.datetime64(last_sale(tables) - 99)])
    with pytest.raises(HoldoutError, match=r"the sales span 100 days, .*; give a --horizon of at most 100 days"):
        train(short, tmp_path / "sales", Options.of(**SMALL, horizon=366), Run("sales", progress=False))
    assert not (tmp_path / "sales").exists()


def interrupt_at(epoch: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Interrupt each training after a number of epochs; the returned function ends that."""
    original = Learner._run_epoch
    count = 0

    def run_epoch(self: Learner, *arguments: Any) -> Epoch:
        nonlocal count
        count += 1
        if count > epoch:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(Learner, "_run_epoch", run_epoch)
    return monkeypatch.undo


@pytest.mark.parametrize("epochs", [1, 3])
def test_an_interrupted_training_resumes_and_ends_with_the_same_weights(
    tables: Tables, trained: tuple[Path, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    """After one epoch of the first fit, and after one of the second."""
    out = tmp_path / "sales"
    undo = interrupt_at(epochs, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tables, out, OPTIONS, Run("sales", progress=False))
    assert not out.exists()
    undo()
    resumed = train(tables, out, OPTIONS, Run("sales", progress=False))
    assert_same_weights(out, trained[0])
    assert resumed.manifest.metrics == trained[1].manifest.metrics
    assert [file.name for file in tmp_path.iterdir()] == ["sales"], "the checkpoints are gone"


def test_a_checkpoint_of_other_options_is_rejected_unless_the_training_starts_anew(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sales"
    undo = interrupt_at(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(tables, out, OPTIONS, Run("sales", progress=False))
    undo()
    other = Options.of(**{**SMALL, "epochs": 1, "refit": False})
    with pytest.raises(CheckpointError, match="epochs is 1 here and 2 there"):
        train(tables, out, other, Run("sales", progress=False))
    train(tables, out, other, Run("sales", progress=False, resume=False))
    assert load(out).manifest.training["epochs"] == 1


def test_a_name_that_no_model_can_have_is_rejected_before_the_work(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="name 'Bad Name'"):
        train(tables, tmp_path / "sales", OPTIONS, Run("Bad Name", progress=False))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_another_unit_of_sales_gives_the_same_relative_forecasts(
    tables: Tables, trained: tuple[Path, Trained], tmp_path: Path, factor: float
) -> None:
    """Sales below 1 could not be trained. Trees take other branches for a difference in the last digit of a column."""
    scaled = replace(tables, train=tables.train.assign(Sales=tables.train["Sales"] * factor))
    other = train(scaled, tmp_path / "sales", OPTIONS, Run("sales", progress=False)).evaluation.forecast
    np.testing.assert_allclose(other / factor, trained[1].evaluation.forecast, rtol=1e-5)


def test_a_seed_repeats_the_bundle(tables: Tables, trained: tuple[Path, Trained], tmp_path: Path) -> None:
    again = train(tables, tmp_path / "sales", OPTIONS, Run("sales", progress=False)).manifest
    assert again.version == trained[1].manifest.version
    assert {**again.files, "MODEL_CARD.md": ""} == {**trained[1].manifest.files, "MODEL_CARD.md": ""}


def test_the_manifest_states_what_was_chosen(trained: tuple[Path, Trained]) -> None:
    """The number format depends on the machine, and the batch size on the number of rows."""
    training = trained[1].manifest.training
    assert (training["batch_size"], training["bfloat16"] in (True, False), training["device"]) == (256, True, "cpu")
    assert training["holdout"] == DEFAULT_HORIZON
