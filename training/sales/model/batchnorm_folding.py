"""The tabular network for serving: the same function in a tenth of the operations.

At serving time a batch has 1 to 16 rows. The number of operations and the weights that each reads then cost more than
the arithmetic. So all embeddings are looked up at once in one table. Each batch norm, a product and a sum in eval mode,
is folded into the linear layer behind it.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from training.sales.model.network import TabularNet


class FoldedNet(nn.Module):
    """A trained ``TabularNet`` in eval mode, with the same inputs and, up to float32's rounding, the same output.

    The caller must not send a code that the network does not have: it would not be noticed.

    Args:
        net: the network.
        tree_share: share of the trees in the output; the rest is the network's.
        log_unit: logarithm of the target's unit, which is added to the output.
    """

    table: Tensor
    column: Tensor
    width: Tensor
    offset: Tensor

    def __init__(self, net: TabularNet, tree_share: float = 0.0, log_unit: float = 0.0) -> None:
        super().__init__()
        self.tree_share, self.log_unit = tree_share, log_unit
        self.low, self.high = net.y_range
        self.anchor = net.anchor
        tables = [cast(nn.Embedding, embed).weight.detach() for embed in net.embeds]
        self._look_up_of(tables)
        self.layers = nn.ModuleList()
        # Operations before a linear layer, as a scale and a shift of each of its inputs.
        before = _before_first(sum(table.shape[1] for table in tables), net.bn_cont)
        for linear, norm in net.blocks():
            self.layers.append(_folded(linear, *before))
            if norm is not None:
                before = _scale_and_shift(norm)

    def _look_up_of(self, tables: Sequence[Tensor]) -> None:
        """Join all tables, and compute column, width and offset of each element of a row's embeddings."""
        device = tables[0].device if tables else None
        widths = torch.tensor([table.shape[1] for table in tables], dtype=torch.int32, device=device)
        sizes = torch.tensor([table.numel() for table in tables], dtype=torch.int32, device=device)
        column = torch.repeat_interleave(torch.arange(len(tables), device=device), widths)
        first = torch.cumsum(widths, 0) - widths  # of each table, within a row's embeddings
        start = torch.cumsum(sizes, 0) - sizes  # of each table, within the joined table
        offset = start[column] + torch.arange(len(column), device=device) - first[column]
        self.register_buffer("table", torch.cat([table.flatten() for table in tables]) if tables else torch.empty(0))
        self.register_buffer("column", column)
        self.register_buffer("width", widths[column])
        self.register_buffer("offset", offset.to(torch.int32))

    def forward(self, cats: Tensor, conts: Tensor, trees: Tensor | None = None) -> Tensor:
        """Return the logarithm of the target, as ``TabularNet.forward`` does or as its weighted mean with trees.

        Args:
            cats: int32 ``[row, categorical column]``.
            conts: float32 ``[row, continuous column]``.
            trees: float32 ``[row, 1]``, sum of the trees; without trees None.
        """
        x = conts
        if len(self.column):
            place = cats.index_select(1, self.column) * self.width + self.offset
            x = torch.cat([nn.functional.embedding(place, self.table[:, None]).squeeze(2), conts], dim=1)
        *hidden, last = self.layers
        for layer in hidden:
            x = torch.relu(layer(x))
        y: Tensor = last(x).squeeze(1)
        anchor = self.anchor(conts).squeeze(1) if self.anchor is not None else None
        if anchor is not None:
            y = torch.clamp(y + anchor, self.low, self.high)
        else:
            y = torch.sigmoid(y) * (self.high - self.low) + self.low
        if trees is not None:
            by_trees = trees.squeeze(1) if anchor is None else trees.squeeze(1) + anchor
            y = torch.clamp((1 - self.tree_share) * y + self.tree_share * by_trees, self.low, self.high)
        return y + self.log_unit if self.log_unit else y


def _scale_and_shift(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    """Return a batch norm in eval mode as ``scale * x + shift``, in float64."""
    mean, var = cast(Tensor, norm.running_mean).double(), cast(Tensor, norm.running_var).double()
    scale = norm.weight.detach().double() / torch.sqrt(var + norm.eps)
    return scale, norm.bias.detach().double() - mean * scale


def _before_first(n_emb: int, norm: nn.BatchNorm1d | None) -> tuple[Tensor, Tensor]:
    """Return scale and shift of the first layer's inputs: 1 and 0 for embeddings, the batch norm for other columns."""
    if norm is None:
        return torch.ones(n_emb, dtype=torch.float64), torch.zeros(n_emb, dtype=torch.float64)
    scale, shift = _scale_and_shift(norm)
    return torch.cat([scale.new_ones(n_emb), scale]), torch.cat([shift.new_zeros(n_emb), shift])


def _folded(linear: nn.Linear, scale: Tensor, shift: Tensor) -> nn.Linear:
    """Return ``linear(scale * x + shift)`` as one linear layer."""
    weight = linear.weight.detach().double()
    bias = weight @ shift.to(weight)
    if linear.bias is not None:
        bias = bias + linear.bias.detach().double()
    folded = nn.Linear(linear.in_features, linear.out_features, device=weight.device)
    folded.weight = nn.Parameter((weight * scale.to(weight)).float())
    folded.bias = nn.Parameter(bias.float())
    return folded
