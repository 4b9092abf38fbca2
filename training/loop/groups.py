"""Groups of layers: freezing and learning rates."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from torch import nn

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def freeze(*modules: nn.Module) -> None:
    """Exclude all parameters from training except those of batch norms, as fastai does (``train_bn``)."""
    for module in modules:
        module.requires_grad_(False)
        for norm in module.modules():
            if isinstance(norm, _NORMS):
                norm.requires_grad_(True)


def unfreeze(*modules: nn.Module) -> None:
    """Include all parameters of the modules in training."""
    for module in modules:
        module.requires_grad_(True)


def spread_lr(lowest: float, highest: float, groups: int) -> list[float]:
    """Return learning rates evenly spread on a log scale, as fastai's ``slice(lowest, highest)``.

    >>> [f"{lr:.0e}" for lr in spread_lr(1e-5, 1e-3, 3)]
    ['1e-05', '1e-04', '1e-03']
    """
    return [highest] if groups == 1 else [float(lr) for lr in np.geomspace(lowest, highest, groups)]


def parameter_names(model: nn.Module, groups: Sequence[nn.Module]) -> dict[nn.Parameter, str]:
    """Return the name of each parameter in the model.

    Raises:
        ValueError: if a parameter is in no group or in several, or is not the model's.
    """
    names = {param: name for name, param in model.named_parameters()}
    grouped = [param for group in groups for param in group.parameters()]
    times = Counter(grouped)
    wrong = [f"{name} is in {times[param]}" for param, name in names.items() if times[param] != 1]
    strangers = len(set(grouped) - set(names))
    if wrong or strangers:
        raise ValueError(
            f"each parameter must be in exactly one group: {', '.join(wrong) or 'all are'}; "
            f"{strangers} parameters of the groups are not the model's"
        )
    return names
