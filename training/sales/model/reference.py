"""Network and trees in torch and LightGBM: the reference for the exported graph."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sales.preprocess import Prepared, Run
from schemas.sales.manifest import NetworkSpec
from training.loop.batches import predict
from training.sales.model.network import TabularNet
from training.sales.model.trees import Trees


def reference(net: TabularNet, trees: Trees | None, spec: NetworkSpec, *, device: str = "cpu") -> Run:
    """Return a function that computes log sales as the exported graph does.

    Args:
        net: the network.
        trees: the trees; None for the network alone.
        spec: sizes of the network, and the share of the trees.
        device: device of the network.
    """

    def run(cats: NDArray[np.int32], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        log_sales = predict(net, torch.from_numpy(cats), torch.from_numpy(conts), device=device)
        if trees is not None:
            prepared, share = Prepared(cats, conts), spec.tree_share
            by_trees = trees.predict(prepared, threads=torch.get_num_threads()) + anchor_values(spec, prepared)
            log_sales = np.clip((1 - share) * log_sales + share * by_trees, *spec.y_range).astype(np.float32)
        return log_sales + np.float32(spec.log_unit)

    return run


def reference_of(weights: Mapping[str, NDArray[Any]], spec: NetworkSpec) -> Run:
    """Return the reference of a bundle's weights, on the CPU."""
    shape = (spec.emb_szs, spec.n_cont, spec.layers, spec.ps, spec.emb_drop)
    net = TabularNet(*shape, y_range=spec.y_range, anchor=spec.anchor)
    trees = Trees.of(weights) if spec.tree_share else None
    net.load_state_dict({name: torch.from_numpy(weights[name]) for name in net.state_dict()})
    return reference(net.eval(), trees, spec)


def anchor_values(spec: NetworkSpec, prepared: Prepared) -> NDArray[np.float64]:
    """Return the anchor ``[row]``, a log of sales; 0 without one."""
    if spec.anchor is None:
        return np.zeros(len(prepared.conts))
    weights, constant = spec.anchor
    return np.asarray(prepared.conts @ np.array(weights, dtype=np.float32) + constant, dtype=np.float64)
