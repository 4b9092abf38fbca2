"""The fast.ai lesson's tabular network: an embedding for each category, two hidden layers, a sigmoid.

Modules, their order and their names are those of fastai's ``TabularModel``, so that weights can be copied both ways.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Widths and dropout rates of the fast.ai lesson's network.
LAYERS = (1000, 500)
PS = (0.001, 0.01)
EMB_DROP = 0.04


def emb_sz_lesson(n: int) -> int:
    """Return the fast.ai lesson's width of an embedding, ``min(50, n // 2 + 1)``.

    Args:
        n: number of codes of the category, including ``#na#``.

    >>> [emb_sz_lesson(n) for n in (1116, 8, 4, 32, 3)]
    [50, 5, 3, 17, 2]
    """
    return min(50, n // 2 + 1)


def emb_sz_rule(n: int) -> int:
    """Return the width that fastai uses today, ``min(600, round(1.6 * n ** 0.56))``; ``n`` as in ``emb_sz_lesson``.

    >>> [emb_sz_rule(n) for n in (1116, 8, 4, 32, 3)]
    [81, 5, 3, 11, 3]
    """
    return min(600, round(1.6 * math.pow(n, 0.56)))


class TabularNet(nn.Module):
    """Network from embeddings and normalised continuous columns to one number within ``y_range``.

    embeds -> emb_drop, bn_cont; side by side -> [Linear, ReLU, BatchNorm, Dropout] for each layer -> Linear -> sigmoid.

    With an anchor the network learns the difference to a linear function of its continuous columns, such as a simple
    forecast that they contain. Its output is then their sum, bounded to ``y_range``, in place of the sigmoid.

    Args:
        emb_szs: ``(codes, width)`` for each categorical column, in the order of the columns.
        n_cont: number of continuous columns.
        layers: widths of the hidden layers.
        ps: dropout rate after each hidden layer.
        emb_drop: dropout rate of the embeddings.
        y_range: lowest and highest output; for sales on a log scale.
        anchor: weight of each continuous column in the anchor, and its constant; None for no anchor.

    Raises:
        ValueError: if there is no column at all, ``ps`` and ``layers`` differ in length, or ``y_range`` is empty.
    """

    def __init__(
        self,
        emb_szs: Sequence[tuple[int, int]],
        n_cont: int,
        layers: Sequence[int] = LAYERS,
        ps: Sequence[float] = PS,
        emb_drop: float = EMB_DROP,
        *,
        y_range: tuple[float, float],
        anchor: tuple[Sequence[float], float] | None = None,
    ) -> None:
        super().__init__()
        n_emb = sum(width for _, width in emb_szs)
        if n_emb + n_cont == 0:
            raise ValueError("a network needs at least one categorical or continuous column")
        if len(ps) != len(layers):
            raise ValueError(f"{len(layers)} layers need as many dropouts; ps has {len(ps)}: {tuple(ps)}")
        if not y_range[0] < y_range[1]:
            raise ValueError(f"y_range is {y_range}; its low end must lie below its high end")
        self.y_range = (float(y_range[0]), float(y_range[1]))
        self.anchor = None if anchor is None else nn.Linear(n_cont, 1)
        if anchor is not None and self.anchor is not None:
            self.anchor.weight = nn.Parameter(torch.tensor([anchor[0]], dtype=torch.float32), requires_grad=False)
            self.anchor.bias = nn.Parameter(torch.tensor([anchor[1]], dtype=torch.float32), requires_grad=False)
        self.embeds = nn.ModuleList(_embedding(codes, width) for codes, width in emb_szs)
        self.emb_drop = SparseDropout(emb_drop)
        self.bn_cont = nn.BatchNorm1d(n_cont) if n_cont else None
        widths = (n_emb + n_cont, *layers)
        hidden = [_hidden(n_in, n_out, p) for n_in, n_out, p in zip(widths, layers, ps, strict=False)]
        self.layers = nn.Sequential(*hidden, nn.Sequential(nn.Linear(widths[-1], 1)))

    def forward(self, cats: Tensor, conts: Tensor) -> Tensor:
        """Return the logarithm of the target.

        Args:
            cats: int32 or int64 ``[row, categorical column]``, codes below the column's number in ``emb_szs``.
            conts: float32 ``[row, continuous column]``, normalised.

        Returns:
            float32 ``[row]``, within ``y_range``.
        """
        columns = []
        if self.embeds:
            columns.append(self.emb_drop(self._look_up(cats)))
        if self.bn_cont is not None:
            columns.append(self.bn_cont(conts))
        low, high = self.y_range
        y: Tensor = self.layers(torch.cat(columns, dim=1)).squeeze(1)
        # In float32 also if the layers compute in bfloat16, which rounds log sales of 9 to 0.03 and of 18 to 0.06.
        if self.anchor is not None:
            with torch.autocast(conts.device.type, enabled=False):
                return torch.clamp(y.float() + self.anchor(conts).squeeze(1), low, high)
        return torch.sigmoid(y.float()) * (high - low) + low

    def blocks(self) -> Iterator[tuple[nn.Linear, nn.BatchNorm1d | None]]:
        """Yield the linear layers in order, each with the batch norm after it; the last has none."""
        for layer in self.layers:
            parts = list(layer.children())
            norms = [part for part in parts if isinstance(part, nn.BatchNorm1d)]
            assert isinstance(parts[0], nn.Linear)
            yield parts[0], norms[0] if norms else None

    def start_at(self, y: float) -> None:
        """Set the output of the untrained network to about ``y``, so that no epoch is spent on the target's mean.

        With an anchor, ``y`` is the mean difference to it.
        """
        low, high = self.y_range
        share = (y - low) / (high - low)
        last = self.layers[-1]
        assert isinstance(last, nn.Sequential)
        assert isinstance(last[0], nn.Linear)
        nn.init.constant_(last[0].bias, math.log(share / (1 - share)) if self.anchor is None else y)

    def _look_up(self, cats: Tensor) -> Tensor:
        """Return the embeddings of each row, ``[row, sum of widths]``."""
        if self.training and cats.device.type == "cpu":
            looked_up: Tensor = _LookUp.apply(cats.t().contiguous().unbind(), *(embed.weight for embed in self.embeds))
            return looked_up
        return torch.cat([embed(cats[:, i]) for i, embed in enumerate(self.embeds)], dim=1)


class _LookUp(torch.autograd.Function):
    """Look-up in several tables, whose gradient costs less than half of ``nn.Embedding``'s on a CPU.

    ``index_add_`` adds in a fixed order. Plain indexing (``table[codes]``) is as fast, but adds in any order, so that
    two runs would differ.
    """

    @staticmethod
    def forward(ctx: Any, codes: Sequence[Tensor], *tables: Tensor) -> Tensor:
        ctx.codes, ctx.shapes = codes, [table.shape for table in tables]
        return torch.cat([table.index_select(0, code) for table, code in zip(tables, codes, strict=True)], dim=1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        parts = torch.split(grad, [width for _, width in ctx.shapes], dim=1)
        grads = zip(ctx.shapes, ctx.codes, parts, strict=True)
        return None, *(grad.new_zeros(shape).index_add_(0, code, part) for shape, code, part in grads)


class SparseDropout(nn.Dropout):
    """Dropout that draws the positions of dropped elements instead of a number for each element.

    The fast.ai lesson drops one activation in 1,000 or 100, and drawing a number for each took a sixth of the training
    time on a CPU. The distance between dropped elements is geometric, so a thousandth of the draws gives the same
    distribution. On other devices, and for ``p`` of 0.25 and more, this is ``nn.Dropout``.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with each element dropped with probability ``p`` and the others scaled by ``1 / (1 - p)``."""
        if not self.training or x.device.type != "cpu" or not 0 < self.p < 0.25:
            return super().forward(x)
        dropped: Tensor = _Drop.apply(x, _dropped(x.numel(), self.p), 1 / (1 - self.p))
        return dropped


def _dropped(n: int, p: float) -> Tensor:
    """Return the positions that a dropout of probability ``p`` drops among ``n`` elements: int64, ascending.

    The number of draws is six standard deviations above the expected number of drops. That is too few once in 1e9
    batches; then the last few elements are kept.
    """
    draws = int(n * p + 6 * math.sqrt(n * p)) + 16
    position = torch.empty(draws, dtype=torch.int64).geometric_(p).cumsum_(0).sub_(1)
    return position[: int(torch.searchsorted(position, n))]


class _Drop(torch.autograd.Function):
    """Scaling, with the dropped elements set to 0; the gradient is scaled and dropped likewise."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dropped: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(dropped)
        ctx.scale = scale
        return _scale_and_drop(x, dropped, scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (dropped,) = ctx.saved_tensors
        return _scale_and_drop(grad, dropped, ctx.scale), None, None


def _scale_and_drop(x: Tensor, dropped: Tensor, scale: float) -> Tensor:
    y = x.contiguous() * scale
    y.view(-1)[dropped] = 0
    return y


def _embedding(codes: int, width: int) -> nn.Embedding:
    """Return an embedding with fastai's initial weights: normal, standard deviation 0.01, cut at two deviations."""
    embed = nn.Embedding(codes, width)
    with torch.no_grad():
        embed.weight.normal_().fmod_(2).mul_(0.01)
    return embed


def _hidden(n_in: int, n_out: int, p: float) -> nn.Sequential:
    """Return linear layer, ReLU, batch norm and dropout. The batch norm has the bias, as in fastai."""
    norm = nn.BatchNorm1d(n_out)
    nn.init.constant_(norm.bias, 1e-3)  # fastai's initial value
    dropout = [SparseDropout(p)] if p else []  # fastai leaves it out at 0, which changes no name
    return nn.Sequential(nn.Linear(n_in, n_out, bias=False), nn.ReLU(inplace=True), norm, *dropout)
