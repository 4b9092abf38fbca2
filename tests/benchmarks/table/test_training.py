"""benchmarks.table.training: both loops learn the same rows, and every figure is measured."""

import numpy as np
import pytest

pytest.importorskip("threadpoolctl", reason="the extra bench is not installed")
pytest.importorskip("fastai", reason="the extra bench is not installed")

from benchmarks.table import training
from training.sales.metrics import exp_rmspe

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lesson() -> training.Lesson:
    return training.Lesson.generated(12)


def test_the_holdout_has_the_days_after_the_training_rows(lesson: training.Lesson) -> None:
    assert 0.7 * 12 * 42 < len(lesson.holdout.log_sales) <= 12 * 42  # most stores are closed on Sundays
    assert all(len(part.frame()) == len(part.log_sales) for part in (lesson.train, lesson.holdout))


def test_both_loops_train_networks_of_the_same_size(lesson: training.Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {}

    def counting(create: object, name: str) -> object:
        def created(*args: object, **kwargs: object) -> object:
            learner = create(*args, **kwargs)  # type: ignore[operator]
            sizes[name] = sum(parameter.numel() for parameter in learner.model.parameters())
            return learner

        return created

    monkeypatch.setattr(training, "tabular_learner", counting(training.tabular_learner, "fastai"))
    monkeypatch.setattr(training, "Learner", counting(training.Learner, "ours"))
    training._fastai(lesson, 256, 1, 0)
    training._shopcat(lesson, 256, 1, 0, bfloat16=False)
    assert sizes["fastai"] == pytest.approx(sizes["ours"], rel=0.001)  # fastai adds #na# to columns that have it


def test_each_training_forecasts_better_than_the_mean(lesson: training.Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TREES", 60)
    monkeypatch.setattr(training, "LEARNING_RATES", {256: 3e-3})
    mean = np.full_like(lesson.holdout.log_sales, lesson.train.log_sales.mean())
    error = exp_rmspe(lesson.holdout.log_sales, mean)
    for name, train in training._trainings(lesson, [training.FLOAT32], 5, seed=0).items():
        assert exp_rmspe(lesson.holdout.log_sales, train()()) < error, name


def test_rows_compare_rates_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TREES", 5)
    monkeypatch.setattr(training.machine, "limits", lambda: {"matrix product, GFLOP/s": 50.0})
    results, about = training.rows(rounds=1, epochs=1, stores=2)
    assert {result.peer for result in results} == {"fastai", "matrix products in float32", "LightGBM, 5 trees"}
    assert {result.figures.split(maxsplit=3)[3] for result in results} == {"rows/s", "rows/CPU s", "RMSPE", "s"}
    assert all(result.ratio > 0 for result in results)
    assert "rows of 2 stores" in about
