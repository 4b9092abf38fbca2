"""Stored features: equal to those of the photos, repeatable, and written atomically."""

from pathlib import Path

import pytest
import torch
from torch import nn

from schemas.pets.manifest import HeadSpec
from training.loop.batches import TensorBatches
from training.pets.features import Pooled, PooledHead, pooled_features
from training.pets.network import Head, PetNet

HEADS = [HeadSpec(hidden=None, p=0.2, bn_final=False), HeadSpec(hidden=8, p=0.5, bn_final=True)]
OPTIONS = {"device": "cpu", "bfloat16": False, "progress": False}


def pet_net(head: HeadSpec) -> PetNet:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4), nn.BatchNorm2d(6), nn.ReLU())
    net = PetNet(body, Head(6, 4, head), train_bn=True)
    net.train()(torch.randn(8, 3, 32, 32))
    for param in net.head.parameters():
        nn.init.normal_(param)
    return net


def noisy(rows: int = 10, batch_size: int = 4) -> TensorBatches:
    torch.manual_seed(1)
    return TensorBatches(torch.randn(rows, 3, 32, 32), torch.arange(rows), batch_size=batch_size)


@pytest.mark.parametrize("spec", HEADS)
def test_both_halves_together_are_the_network(spec: HeadSpec) -> None:
    net, photos = pet_net(spec).eval(), torch.randn(5, 3, 32, 32)
    with torch.no_grad():
        pooled = Pooled(net)(photos)
        assert pooled.shape == (5, 6 if spec.hidden is None else 12)
        torch.testing.assert_close(PooledHead(net.head)(pooled), net(photos), rtol=0, atol=0)


def test_the_pooled_head_shares_its_weights_with_the_network() -> None:
    net = pet_net(HEADS[0])
    half = PooledHead(net.head)
    assert [*half.parameters()] == [*net.head.parameters()]
    assert [*half.state_dict()] == [*net.head.state_dict()]


@pytest.mark.parametrize("spec", HEADS)
def test_features_are_computed_in_eval_mode(spec: HeadSpec) -> None:
    net, batches = pet_net(spec).train(), noisy()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    features, labels = pooled_features(net, batches, 3, seed=0, **OPTIONS)
    assert len(features) == len(labels) == 3 * 8  # the short last batch of each pass is left out
    assert labels.dtype == torch.int64
    assert not features.requires_grad
    with torch.no_grad():
        wanted = Pooled(net.eval())(batches.tensors[0])
    torch.testing.assert_close(features, wanted[labels], rtol=1e-5, atol=1e-6)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    orders = labels.reshape(3, 8).tolist()
    assert all(len({*order}) == 8 for order in orders)
    assert len({tuple(order) for order in orders}) == 3  # each pass draws anew


def test_a_seed_repeats_the_features() -> None:
    net, batches = pet_net(HEADS[0]), noisy()
    torch.manual_seed(5)
    first = pooled_features(net, batches, 2, seed=3, **OPTIONS)
    drawn = torch.rand(1)
    second = pooled_features(net, batches, 2, seed=3, **OPTIONS)
    other = pooled_features(net, batches, 2, seed=40, **OPTIONS)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))
    assert not torch.equal(first[1], other[1])
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)  # the caller's random numbers are left alone


def test_features_are_stored_in_a_file(tmp_path: Path) -> None:
    net, batches, file = pet_net(HEADS[1]), noisy(), tmp_path / "features.safetensors"
    first = pooled_features(net, batches, 2, seed=0, file=file, **OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    with torch.no_grad():
        net.body[0].weight.zero_()  # nobody looks at it again
    again = pooled_features(net, batches, 2, seed=0, file=file, **OPTIONS)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


def test_an_interrupted_run_leaves_no_file(tmp_path: Path) -> None:
    class Broken(TensorBatches):
        def __iter__(self):
            yield next(super().__iter__())
            raise KeyboardInterrupt

    batches = Broken(torch.randn(9, 3, 32, 32), torch.arange(9), batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        pooled_features(pet_net(HEADS[0]), batches, 2, seed=0, file=tmp_path / "features.safetensors", **OPTIONS)
    assert not [*tmp_path.iterdir()]


def test_bfloat16_features_are_close_and_returned_as_float32() -> None:
    net, batches = pet_net(HEADS[0]), noisy()
    whole, labels = pooled_features(net, batches, 1, seed=0, **OPTIONS)
    half, again = pooled_features(net, batches, 1, seed=0, **{**OPTIONS, "bfloat16": True})
    assert torch.equal(labels, again)
    assert half.dtype == torch.float32
    assert 0 < float((half - whole).abs().max()) < 0.05 * float(whole.abs().max())
