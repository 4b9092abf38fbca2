"""training.loop: batches, the learner, the learning-rate finder and checkpoints.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import json
import math
import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from fastai.callback.schedule import combined_cos
from fastai.callback.schedule import valley as fastai_valley
from safetensors.torch import safe_open, save_file
from torch import nn
from torch.nn.functional import mse_loss

from tests.training.loop.run_to_kill import data, learner, rmse, train_and_die, two_stages
from training.loop import lr_finder
from training.loop.batches import TensorBatches, predict
from training.loop.checkpoint import CheckpointError
from training.loop.groups import freeze
from training.loop.learner import DivergedError, Learner


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    ours, theirs = a.state_dict(), b.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


# Batches.


def test_an_epoch_has_each_row_at_most_once_in_a_new_order() -> None:
    x = torch.arange(10)
    train = TensorBatches(x, x * 2, batch_size=4)
    first, second = ([row for batch in train for row in batch[0].tolist()] for _ in range(2))
    assert len(set(first)) == len(set(second)) == 8
    assert first != second
    assert all(torch.equal(b, a * 2) for a, b in train)
    assert [len(a) for a, _ in train] == [4, 4], "the short last batch is left out"
    assert len(train) == 2


@pytest.mark.parametrize(("rows", "size", "sizes"), [(9, 4, [4, 4]), (8, 4, [4, 4]), (3, 8, [3]), (5, 2, [2, 2])])
def test_no_batch_has_a_single_row(rows: int, size: int, sizes: list[int]) -> None:
    train = TensorBatches(torch.arange(rows), batch_size=size)
    assert [len(batch) for (batch,) in train] == sizes
    assert len(train) == len(sizes)


@pytest.mark.parametrize(
    ("lengths", "size", "message"),
    [((3, 4), 2, r"\[3, 4\]"), ((1,), 8, "there are 1"), ((9,), 1, "batch_size is 1"), ((0,), 4, "there are 0")],
)
def test_tensors_that_make_no_batches_are_rejected(lengths: tuple[int, ...], size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TensorBatches(*(torch.zeros(n) for n in lengths), batch_size=size)


# Training.


def test_a_learner_learns_and_reports_each_epoch() -> None:
    learn = learner(seed=2)
    seen = []
    before = rmse(learn.model)["rmse"]
    learn.fit_one_cycle(TensorBatches(*data(), batch_size=32), 8, 3e-2, evaluate=rmse, on_epoch=seen.append)
    assert seen == learn.history.epochs
    assert not learn.trained.training
    assert [epoch.number for epoch in seen] == list(range(1, 9))
    assert len(learn.history.losses) == len(learn.history.lrs) == 8 * 10
    assert seen[-1].metrics["rmse"] < 0.5 * before
    assert seen[-1].loss == pytest.approx(np.mean(learn.history.losses[-10:]))
    assert rmse(learn.trained)["rmse"] == seen[-1].metrics["rmse"]


def test_the_schedule_is_the_one_cycle_of_fastai() -> None:
    learn = learner()
    betas = []
    step = learn._step

    def spy(batch, optimizer):
        betas.append(optimizer.param_groups[0]["betas"])
        return step(batch, optimizer)

    learn._step = spy
    learn.fit_one_cycle(TensorBatches(*data(), batch_size=32), 10, 4e-3)
    lr, mom = (combined_cos(0.3, *ends) for ends in ((4e-3 / 25, 4e-3, 4e-3 / 25e4), (0.95, 0.85, 0.95)))
    # torch puts the last rate on the last step and the top on step 0.3 n - 1, fastai just after them
    at = [0.3 * i / 29 if i < 30 else 0.3 + 0.7 * (i - 29) / 70 for i in range(100)]
    np.testing.assert_allclose(learn.history.lrs, [lr(min(pos, 0.999999)) for pos in at], rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose([b[0] for b in betas], [mom(min(pos, 0.999999)) for pos in at], rtol=1e-4)
    assert {b[1] for b in betas} == {0.99}


@pytest.mark.parametrize(("rows", "epochs"), [(2, 1), (4, 1), (10, 1), (20, 1), (2, 10)])
def test_the_schedule_works_with_few_steps(rows: int, epochs: int) -> None:
    learn = learner()
    cats, conts, target = (tensor[:rows] for tensor in data())
    for pct_start in (0.1, 0.3, 0.5):  # torch divides by steps * pct_start - 1
        learn.fit_one_cycle(TensorBatches(cats, conts, target, batch_size=2), epochs, pct_start=pct_start)
    assert all(math.isfinite(lr) and lr > 0 for lr in learn.history.lrs)


def test_the_same_seed_gives_the_same_weights() -> None:
    torch.manual_seed(7)
    a = two_stages(learner())
    torch.rand(11)
    b = two_stages(learner())
    assert_same_weights(a.model, b.model)
    c = two_stages(learner(seed=1))
    assert not torch.equal(a.model.layers[0][0].weight, c.model.layers[0][0].weight)


def test_training_does_not_change_the_callers_random_numbers() -> None:
    learn = learner()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    learn.fit_one_cycle(TensorBatches(*data(), batch_size=32), 1)
    assert torch.equal(torch.rand(1), expected)


def test_one_step_is_adam_after_decay_of_all_weights() -> None:
    learn = learner(wd=0.1)
    before = {name: param.detach().clone() for name, param in learn.model.named_parameters()}
    learn.model.train()
    learn._step(data(), learn._optimizer([1e-2, 1e-3]))
    for name, param in learn.model.named_parameters():
        lr = 1e-3 if name.startswith("layers") else 1e-2
        # Adam's first step is lr * sign(gradient); biases and norms decay too, as in fastai v1
        expected = before[name] * (1 - lr * 0.1) - lr * param.grad.sign()
        torch.testing.assert_close(param, expected, rtol=1e-4, atol=2e-5, msg=lambda m, name=name: f"{name}: {m}")


def test_biases_and_norms_need_not_decay() -> None:
    learn = learner(wd=0.1, wd_bn_bias=False)
    optimizer = learn._optimizer([1e-2, 1e-3])
    decays = {learn._names[p]: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decays == {name: 0.1 if p.ndim > 1 else 0.0 for name, p in learn.model.named_parameters()}


def test_only_the_batch_norms_of_frozen_layers_change() -> None:
    learn = learner()
    freeze(learn.model.embeds, learn.model.layers)
    before = {name: value.clone() for name, value in learn.model.state_dict().items()}
    learn.fit_one_cycle(TensorBatches(*data(), batch_size=32), 1)
    changed = {name for name, value in learn.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if name.startswith(("bn_cont", "layers.0.2", "layers.1.2"))}


def test_the_moving_average_follows_weights_and_statistics() -> None:
    learn = learner(ema=0.5)
    weights, train = [], TensorBatches(*data(), batch_size=100)
    update = learn.ema.update_parameters

    def spy(model):
        update(model)
        weights.append(model.state_dict()["layers.0.2.running_mean"].clone())
        weights.append(model.layers[0][0].weight.detach().clone())

    learn.ema.update_parameters = spy
    learn.fit_one_cycle(train, 1)
    for now, (a, b, c) in (
        (learn.trained.layers[0][2].running_mean, weights[0::2]),
        (learn.trained.layers[0][0].weight, weights[1::2]),
    ):
        torch.testing.assert_close(now.detach(), a / 4 + b / 4 + c / 2)
    assert learn.trained is not learn.model


def test_a_learner_learns_in_bfloat16() -> None:
    learn = learner(bfloat16=True)
    learn.fit_one_cycle(TensorBatches(*data(), batch_size=32), 8, 3e-2, evaluate=rmse)
    assert learn.history.epochs[-1].metrics["rmse"] < 0.5 * learn.history.epochs[0].metrics["rmse"]
    assert {param.dtype for param in learn.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_infinite_or_nan_loss_stops_the_training(bad: float, tmp_path: Path) -> None:
    *inputs, target = data()
    path = tmp_path / "run.safetensors"
    target[250] = bad
    learn = learner(path)
    with pytest.raises(DivergedError, match=r"loss is (nan|inf) in epoch 1, step 8, at a learning rate of 0\.00"):
        learn.fit_one_cycle(TensorBatches(*inputs, target, batch_size=32, shuffle=False), 1)
    assert len(learn.history.losses) == 250 // 32  # the steps before it
    assert not path.exists()


def test_arguments_that_can_not_be_trained_with_are_rejected() -> None:
    learn, train = learner(), TensorBatches(*data(), batch_size=32)
    with pytest.raises(ValueError, match="2 groups need one learning rate or as many"):
        learn.fit_one_cycle(train, 1, [1e-3] * 3)
    with pytest.raises(ValueError, match="epochs is 0"):
        learn.fit_one_cycle(train, 0)
    learn.model.requires_grad_(False)
    with pytest.raises(ValueError, match="all layers are frozen"):
        learn.fit_one_cycle(train, 1)
    with pytest.raises(ValueError, match=r"in exactly one group: layers\.0\.0\.weight is in 0"):
        Learner(learn.model, mse_loss, groups=[learn.model.embeds, learn.model.bn_cont])
    with pytest.raises(ValueError, match="ema is 1"):
        learner(ema=1.0)


# The learning-rate finder.


def test_the_finder_suggests_a_rate_and_restores_everything() -> None:
    learn, train = learner(), TensorBatches(*data(), batch_size=32)
    before = {name: value.clone() for name, value in learn.model.state_dict().items()}
    found = learn.lr_find(train)
    assert 1e-4 < found.suggestion < 1
    assert found.lrs[0] == pytest.approx(1e-7)
    assert len(found.lrs) == len(found.losses) <= 100
    assert [name for name, value in learn.model.state_dict().items() if not torch.equal(value, before[name])] == []
    learn.fit_one_cycle(train, 1)
    untouched = learner()
    untouched.fit_one_cycle(train, 1)
    assert_same_weights(learn.model, untouched.model)


def test_the_suggestion_is_that_of_fastai() -> None:
    rng = np.random.default_rng(0)
    lrs = np.geomspace(1e-7, 10, 85).tolist()
    for _ in range(20):
        losses = (np.concatenate([np.linspace(3, 1, 60), np.linspace(1, 5, 25)]) + rng.normal(0, 0.2, 85)).tolist()
        expected, _ = fastai_valley(torch.tensor(lrs), torch.tensor(losses), 100)
        assert lr_finder.valley(lrs, losses) == pytest.approx(expected)


def test_losses_that_only_grow_suggest_the_first_rate() -> None:
    assert lr_finder.valley([1e-3, 1e-2, 1e-1], [1.0, 2.0, 3.0]) == 1e-3


def test_a_loss_that_diverges_at_once_is_an_error() -> None:
    *inputs, target = data()
    learn = learner()
    with pytest.raises(DivergedError, match="start lower than 1e-07, and check the target"):
        learn.lr_find(TensorBatches(*inputs, target * math.nan, batch_size=32))
    assert all(torch.isfinite(param).all() for param in learn.model.parameters())


# Checkpoints.


@pytest.mark.integration
def test_a_killed_run_resumes_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    context = multiprocessing.get_context("forkserver")  # fork alone would copy torch's threads half-way
    context.set_forkserver_preload(["tests.training.loop.run_to_kill"])  # so that torch is imported once
    # in stage 1's second epoch; after stage 1; while stage 2's first checkpoint is written; in its last epoch
    for kill in (("step", 15), ("epoch", 2), ("save", 1), ("step", 28)):
        run = context.Process(target=train_and_die, args=(path, *kill))
        run.start()
        run.join()
        assert run.exitcode == -signal.SIGKILL
    resumed = two_stages(learner(path, ema=0.9))
    whole = two_stages(learner(ema=0.9))
    assert_same_weights(resumed.model, whole.model)
    assert_same_weights(resumed.trained, whole.trained)
    assert resumed.history.losses == whole.history.losses
    assert resumed.history.lrs == whole.history.lrs
    assert [(e.number, e.stage, e.loss, e.metrics) for e in resumed.history.epochs] == [
        (e.number, e.stage, e.loss, e.metrics) for e in whole.history.epochs
    ]


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    first = two_stages(learner(path))
    stamp = path.stat().st_mtime_ns
    again = two_stages(learner(path), on_epoch=lambda epoch: pytest.fail(f"trained {epoch}"))
    assert_same_weights(first.model, again.model)
    assert again.history == first.history
    assert not again.trained.training
    assert path.stat().st_mtime_ns == stamp
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_checkpoint_of_another_run_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    train = TensorBatches(*data(), batch_size=32)
    learner(path, fingerprint={"data": "a1", "layers": (16, 8)}).fit_one_cycle(train, 1)
    learner(path, fingerprint={"data": "a1", "layers": (16, 8)})
    with pytest.raises(CheckpointError, match=r"run\.safetensors .* data is 'b2' here and 'a1' there.* --fresh"):
        learner(path, fingerprint={"data": "b2", "layers": (16, 8)})
    with pytest.raises(CheckpointError, match="seed is 4 here and 0 there"):
        learner(path, fingerprint={"data": "a1", "layers": (16, 8)}, seed=4)
    with pytest.raises(CheckpointError, match="data is None here and 'a1' there"):
        learner(path, fingerprint={"layers": (16, 8)})
    same = learner(path, fingerprint={"data": "a1", "layers": (16, 8)})
    with pytest.raises(CheckpointError, match="epochs is 2 here and 1 there"):
        same.fit_one_cycle(train, 2)


def test_a_checkpoint_of_another_network_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    Learner(nn.Linear(3, 1), mse_loss, checkpoint=path).fit_one_cycle(
        TensorBatches(torch.randn(8, 3), torch.randn(8, 1), batch_size=4), 1
    )
    with pytest.raises(CheckpointError, match="another network"):
        Learner(nn.Linear(4, 1), mse_loss, checkpoint=path)


def test_a_file_that_is_no_checkpoint_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    for content in (b"", b"PK\x03\x04 not ours", b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="can't be read as a checkpoint"):
            learner(path)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="has the format None"):
        learner(path)
    two_stages(learner(tmp_path / "whole"))
    path.write_bytes((tmp_path / "whole").read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="can't be read"):
        learner(path)


def test_the_header_of_a_checkpoint_is_json(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    two_stages(learner(path, fingerprint={"data": "a1"}))
    with safe_open(path, "pt") as file:
        state = json.loads(file.metadata()["state"])
    assert state["fingerprint"]["data"] == "a1"
    assert [epoch["number"] for epoch in state["history"]] == [1, 2, 3, 4, 5]


def test_predict_returns_all_rows_and_restores_the_mode() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Flatten(0)).train()
    x = torch.arange(10.0)[:, None]
    assert predict(model, x, batch_size=4).tolist() == list(range(10))
    assert model.training


@pytest.mark.gpu
def test_a_learner_trains_and_resumes_on_a_gpu(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"

    def stop(epoch):
        if epoch.number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        two_stages(learner(path, device="cuda", ema=0.9), stop)
    resumed = two_stages(learner(path, device="cuda", ema=0.9))
    whole = two_stages(learner(device="cuda", ema=0.9))
    for a, b in zip(resumed.trained.parameters(), whole.trained.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
