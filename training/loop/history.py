"""History of a training: losses and learning rates by step, figures by epoch."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Epoch:
    """Figures of one epoch.

    Attributes:
        number: number of the epoch, from 1, counted over all stages.
        stage: number of the call of ``fit_one_cycle``, from 0.
        loss: mean training loss of the batches.
        metrics: figures that ``evaluate`` returned after the epoch.
        seconds: time of its training and evaluation.
    """

    number: int
    stage: int
    loss: float
    metrics: dict[str, float]
    seconds: float


@dataclass
class History:
    """Course of a training.

    Attributes:
        losses: training loss of each step.
        lrs: learning rate of each step; the highest, if groups of layers have different rates.
        epochs: figures of each epoch.
    """

    losses: list[float] = field(default_factory=list)
    lrs: list[float] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
