"""training.sales.fit: rows to train on, seeds, the evaluation on a holdout, and the learning-rate finder."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.errors import UserError
from sales.panel import Panel
from tests.training.sales.data.own_tables import write
from tests.training.sales.small import OPTIONS, SMALL
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables, read_tables
from training.sales.fit import _training_rows, fit, lr_find
from training.sales.options import DEFAULT_HORIZON, Options
from training.sales.rows import Rows

# The rows.


def test_every_production_row_is_a_forecast_made_within_the_horizon(panel: Panel) -> None:
    rows, origin = _training_rows(panel, Options.of())
    assert origin is not None
    assert {*(rows.day - origin)} == {*range(1, DEFAULT_HORIZON + 1)}
    _, again = _training_rows(panel, Options.of())
    _, other = _training_rows(panel, Options.of(seed=1))
    assert again is not None
    assert other is not None
    assert np.array_equal(origin, again)
    assert not np.array_equal(origin, other)


@pytest.mark.parametrize("horizon", [1, 7, 366])
def test_origins_are_drawn_from_the_horizon_of_the_options(panel: Panel, horizon: int) -> None:
    rows, origin = _training_rows(panel, Options.of(horizon=horizon))
    assert origin is not None
    days_ahead = rows.day - origin
    assert (days_ahead.min(), days_ahead.max()) == (1, horizon)


def test_parity_rows_look_ahead_and_are_the_same_days(panel: Panel) -> None:
    rows, origin = _training_rows(panel, Options.of("parity"))
    assert origin is None
    assert np.array_equal(rows.day, _training_rows(panel, Options.of())[0].day)


def test_a_single_row_of_one_store_is_too_little_to_learn_from(tmp_path: Path) -> None:
    tables = read_tables(write(tmp_path, sales="store,date,sales\n1,2023-01-02,10\n") / "sales.csv")
    with pytest.raises(UserError, match=r"nothing can be learned from 1 row with sales, .* add earlier sales"):
        fit(panel_from_tables(tables), Options.of(**SMALL), progress=False)


# The fit.


def test_the_same_seed_gives_the_same_network_and_another_seed_another(panel: Panel) -> None:
    nets = [
        fit(panel, Options.of(**SMALL, seed=seed), progress=False).net.state_dict()["layers.0.0.weight"].numpy()
        for seed in (0, 0, 1)
    ]
    assert np.array_equal(nets[0], nets[1])
    assert not np.array_equal(nets[0], nets[2])


def test_a_fit_is_evaluated_on_the_holdout_after_each_epoch(tables: Tables, panel: Panel) -> None:
    holdout = Rows.sold(panel_from_tables(tables), after=panel.cutoff)
    fitted = fit(panel, replace(OPTIONS, trees=0), holdout=holdout, progress=False)
    error = fitted.forecast(holdout) / holdout.sales - 1
    assert fitted.history.epochs[-1].metrics["rmspe"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-4)
    assert [epoch.number for epoch in fitted.history.epochs] == [1, 2]
    assert fitted.lr is not None
    assert not fitted.net.training


def test_the_holdout_does_not_change_the_fit(tables: Tables, panel: Panel) -> None:
    holdout = Rows.sold(panel_from_tables(tables), after=panel.cutoff)
    with_it, without = (
        fit(panel, OPTIONS, holdout=rows, progress=False).net.state_dict()["layers.0.0.weight"].numpy()
        for rows in (holdout, None)
    )
    assert np.array_equal(with_it, without)


def test_the_finder_suggests_a_rate(panel: Panel) -> None:
    assert 1e-5 < lr_find(panel, OPTIONS).suggestion < 1
