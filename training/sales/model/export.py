"""The trained network and trees as one ONNX file, and as the model of a forecaster."""

import torch

from sales.forecaster import Model
from sales.preprocess import Prepared
from training.export import to_onnx
from training.sales.fit import Fitted
from training.sales.model.batchnorm_folding import FoldedNet
from training.sales.model.trees import with_trees

TREES = "trees"  # name of the trees' sum in the graph


def exported_network(fitted: Fitted) -> bytes:
    """Return network and trees as an ONNX file, the batch norms folded into the linear layers."""
    cats = torch.zeros((2, len(fitted.spec.emb_szs)), dtype=torch.int32, device=fitted.device)
    conts = torch.zeros((2, fitted.spec.n_cont), device=fitted.device)
    spec = fitted.spec
    folded = FoldedNet(fitted.net, spec.tree_share, spec.log_unit)
    if fitted.trees is None:
        return to_onnx(folded, (cats, conts), Prepared._fields)
    trees = torch.zeros((2, 1), device=fitted.device)
    network = to_onnx(folded, (cats, conts, trees), (*Prepared._fields, TREES))
    return with_trees(network, fitted.trees, name=TREES)


def model_of(fitted: Fitted, name: str) -> Model:
    """Return the model of a training that has not saved a bundle yet."""
    horizon = fitted.options.horizon
    return Model(name, "training", fitted.panel, fitted.features, fitted.preprocessor, fitted.run, horizon)
