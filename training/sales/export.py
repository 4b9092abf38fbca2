"""The trained network as an ONNX file, and as the model of a forecaster."""

import torch

from sales.forecaster import Model
from sales.preprocess import Prepared
from training.export import to_onnx
from training.sales.batchnorm_folding import FoldedNet
from training.sales.fit import Fitted


def exported_network(fitted: Fitted) -> bytes:
    """Return the network as an ONNX file, its batch norms folded into the linear layers."""
    cats = torch.zeros((2, len(fitted.spec.emb_szs)), dtype=torch.int32, device=fitted.device)
    conts = torch.zeros((2, fitted.spec.n_cont), device=fitted.device)
    return to_onnx(FoldedNet(fitted.net), (cats, conts), Prepared._fields)


def model_of(fitted: Fitted, name: str) -> Model:
    """Return the model of a training that has not saved a bundle yet."""
    horizon = fitted.options.horizon
    return Model(name, "training", fitted.panel, fitted.features, fitted.preprocessor, fitted.run, horizon)
