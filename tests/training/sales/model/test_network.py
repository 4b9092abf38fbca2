import pytest
import torch
from fastai.tabular.model import TabularModel, emb_sz_rule
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from training.sales.model import network
from training.sales.model.network import SparseDropout, TabularNet

# Codes of the fast.ai lesson's 24 categorical columns. Their embeddings and 16 continuous columns make 229 inputs.
CODES = (1116, 8, 4, 13, 32, 3, 26, 27, 5, 4, 4, 24, 9, 13, 53, 22, 7, 7, 4, 4, 9, 9, 3, 3)
Y_RANGE = (0.0, 12.8)


def batch(codes, n_cont, rows=64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    cats = [torch.randint(0, n, (rows,), generator=rng) for n in codes]
    return torch.stack(cats, 1) if cats else torch.empty(rows, 0).long(), torch.randn(rows, n_cont, generator=rng)


def twins(codes, n_cont, layers=(100, 50), ps=(0.0, 0.0), emb_drop=0.0):
    """Our network and fastai's with our weights, which are random, batch norms included."""
    emb_szs = [(n, network.emb_sz_lesson(n)) for n in codes]
    ours = TabularNet(emb_szs, n_cont, layers, ps, emb_drop, y_range=Y_RANGE)
    for values in ours.state_dict().values():
        if values.is_floating_point():
            values.copy_(torch.rand_like(values) * 0.5 + (0.1 if values.ndim == 1 else -0.25))
    theirs = TabularModel(
        emb_szs, n_cont, 1, list(layers), ps=list(ps), embed_p=emb_drop, y_range=Y_RANGE, bn_cont=n_cont > 0
    )
    theirs.load_state_dict(ours.state_dict())  # strict: each name and shape is fastai's
    return ours, theirs


def test_the_lessons_network_has_229_inputs():
    assert sum(network.emb_sz_lesson(n) for n in CODES) + 16 == 229


@given(st.integers(2, 100_000))
def test_the_newer_rule_agrees_with_fastai(n):
    assert network.emb_sz_rule(n) == emb_sz_rule(n)


def test_the_initial_weights_are_distributed_as_in_fastai():
    torch.manual_seed(0)
    ours = TabularNet([(1116, 50)], 16, y_range=Y_RANGE)
    theirs = TabularModel([(1116, 50)], 16, 1, [1000, 500], ps=[0.001, 0.01], embed_p=0.04, y_range=Y_RANGE)
    for (name, a), (their_name, b) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert (name, a.shape) == (their_name, b.shape)
        if a.numel() > 1:
            assert float(a.std()) == pytest.approx(float(b.std()), rel=0.05, abs=1e-9), name
            assert float(a.mean()) == pytest.approx(float(b.mean()), abs=5e-3), name
    assert ours.embeds[0].weight.abs().max() <= 0.02


@pytest.mark.parametrize(("codes", "n_cont"), [(CODES, 16), ((), 3), ((5, 3), 0), ((2,), 1)])
def test_the_output_in_eval_mode_agrees_with_fastai(codes, n_cont):
    ours, theirs = twins(codes, n_cont)
    cats, conts = batch(codes, n_cont)
    with torch.no_grad():
        expected = theirs.eval()(cats, conts).squeeze(1)
        answer = ours.eval()(cats, conts)
    assert answer.shape == (64,)
    assert answer.std() > 1e-3  # nothing saturated
    torch.testing.assert_close(answer, expected, rtol=0, atol=1e-5)


def test_output_gradients_and_statistics_in_training_agree_with_fastai():
    ours, theirs = twins(CODES, 16)
    cats, conts = batch(CODES, 16)
    cats[:32] = cats[0]  # many rows of one code add up in one row of the table
    answer, expected = ours.train()(cats, conts), theirs.train()(cats, conts).squeeze(1)
    torch.testing.assert_close(answer, expected, rtol=0, atol=1e-5)
    (answer**2).mean().backward()
    (expected**2).mean().backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-5, msg=lambda m, name=name: f"{name}: {m}")
    for a, b in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def test_gradients_do_not_depend_on_the_run():
    ours = TabularNet([(1116, 50), (8, 5)], 16, y_range=Y_RANGE)
    cats, conts = batch((1116, 8), 16, rows=2048)

    def gradients():
        ours.zero_grad()
        torch.manual_seed(1)
        ours.train()(cats, conts).sum().backward()
        return [param.grad.clone() for param in ours.parameters()]

    first = gradients()
    for _ in range(5):
        for a, b in zip(first, gradients(), strict=True):
            assert torch.equal(a, b)


def test_one_row_and_extreme_rows_stay_in_range():
    ours = TabularNet([(4, 3)], 2, y_range=(0.0, 12.0)).eval()
    answer = ours(torch.tensor([[0], [3]]), torch.tensor([[0.0, 1e30], [-1e30, 5.0]]))
    assert torch.isfinite(answer).all()
    assert answer.min() >= 0.0
    assert answer.max() <= 12.0
    assert ours(torch.tensor([[1]]), torch.zeros(1, 2)).shape == (1,)


def test_an_unknown_code_is_an_error():
    ours = TabularNet([(4, 3)], 0, y_range=Y_RANGE)
    for mode in (True, False):
        with pytest.raises((IndexError, RuntimeError)):
            ours.train(mode)(torch.tensor([[4], [1]]), torch.zeros(2, 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"emb_szs": [], "n_cont": 0}, "at least one"),
        ({"ps": (0.1,)}, "2 layers need as many dropouts"),
        ({"y_range": (3.0, 3.0)}, "low end must lie below"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        TabularNet(**{"emb_szs": [(3, 2)], "n_cont": 1, "y_range": Y_RANGE} | arguments)


@pytest.mark.parametrize("p", [0.001, 0.01, 0.04, 0.2])
def test_sparse_dropout_has_the_distribution_of_dropout(p):
    torch.manual_seed(0)
    rows, columns = 2000, 500
    x = torch.ones(rows, columns, requires_grad=True)
    y = SparseDropout(p)(x)
    dropped = y.detach() == 0
    kept = y.detach()[~dropped]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))
    sigma = (p * (1 - p)) ** 0.5
    assert abs(dropped.float().mean() - p) < 5 * sigma / (rows * columns) ** 0.5
    for n, counts in ((rows, dropped.sum(0)), (columns, dropped.sum(1))):  # in each column and row, binomial
        spread = ((counts - n * p) ** 2).mean() / (n * p * (1 - p))
        assert abs(spread - 1) < 5 * ((2 + 1 / (n * p)) / len(counts)) ** 0.5
    flat = dropped.flatten().float()
    pairs = (flat[1:] * flat[:-1]).mean()
    assert abs(pairs - p * p) < 5 * p / (rows * columns) ** 0.5
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())  # for ones, the gradient is the mask times the scale


@pytest.mark.parametrize("p", [0.0, 0.01, 0.5, 1.0])
def test_sparse_dropout_at_the_edges(p):
    x = torch.randn(50, 40).t()  # not contiguous
    assert torch.equal(SparseDropout(p).eval()(x), x)
    torch.manual_seed(3)
    y = SparseDropout(p)(x)
    assert y.shape == x.shape
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / (1 - p))
    if p in (0.0, 0.5, 1.0):
        torch.manual_seed(3)
        assert torch.equal(y, nn.Dropout(p)(x))


def test_sparse_dropout_accepts_an_empty_tensor():
    assert SparseDropout(0.01)(torch.empty(0, 5)).shape == (0, 5)


@pytest.mark.gpu
def test_the_output_on_a_gpu_agrees_with_fastai():
    ours, theirs = twins(CODES, 16)
    cats, conts = batch(CODES, 16)
    for mode in (True, False):
        expected = theirs.train(mode)(cats, conts).squeeze(1)
        answer = ours.cuda().train(mode)(cats.cuda(), conts.cuda()).cpu()
        torch.testing.assert_close(answer, expected, rtol=0, atol=1e-3)
