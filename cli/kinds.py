"""The registry of commands by kind of model; `schemas.kinds` has the kinds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from cli import pets, sales
from cli.backtest import backtest
from cli.classify import classify
from cli.forecast import forecast, plan
from cli.inspect import inspect
from cli.update import update


class Evaluate(Protocol):
    """Evaluate a bundle on data that it was not trained on, and write a report."""

    def __call__(
        self,
        bundle: Path,
        data: Path,
        report: Path,
        *,
        stores: tuple[str, ...],
        prometheus: Path | None,
        unlike: Path | None,
        device: str,
    ) -> None:
        """Evaluate.

        Args:
            bundle: the bundle's folder.
            data: a folder with tables or photos.
            report: folder for the report.
            stores: stores to plot; only a sales model accepts any.
            unlike: folder of pictures that show none of the breeds; only a pets model accepts it.
            prometheus: file for the figures as Prometheus gauges, or None; only a sales model has them.
            device: ``cpu`` or ``cuda:N``.
        """


@dataclass(frozen=True)
class KindCommands:
    """Commands of one kind of model.

    Attributes:
        prepare: commands directly under ``shopcat`` that prepare training data.
        train: command under ``shopcat train``.
        lr_find: command under ``shopcat lr-find``; None if training has no learning rate.
        show: commands under ``shopcat show``.
        predict: commands directly under ``shopcat`` that use a bundle.
        check: verifies a bundle on a device; returns a description.
        evaluate: evaluates a bundle.
        first_answer: returns a model's address with a first request and its answer. Its arguments are the address, the
            bundle's folder, and a function that sends a body and its content type to the model.
        judge: commands directly under ``shopcat`` that judge a way of training, or bring a bundle up to date.
    """

    prepare: Sequence[click.Command]
    train: click.Command
    lr_find: click.Command | None
    show: Sequence[click.Command]
    predict: Sequence[click.Command]
    check: Callable[[Path, str], str]
    evaluate: Evaluate
    first_answer: Callable[[str, Path, Callable[[bytes, str], bytes]], str]
    judge: Sequence[click.Command] = ()


KIND_COMMANDS: Mapping[str, KindCommands] = {
    "sales": KindCommands(
        prepare=(sales.demo, inspect),
        train=sales.train_sales,
        lr_find=sales.lr_find_sales,
        show=(),
        judge=(backtest, update),
        predict=(plan, forecast, sales.explain),
        check=sales.check,
        evaluate=sales.evaluate,
        first_answer=sales.first_answer,
    ),
    "pets": KindCommands(
        prepare=(),
        train=pets.train_pets,
        lr_find=pets.lr_find_pets,
        show=(pets.show_augmentations,),
        judge=(pets.add_features,),
        predict=(classify,),
        check=pets.check,
        evaluate=pets.evaluate,
        first_answer=pets.first_answer,
    ),
}


def kind_commands(bundle: Path) -> KindCommands:
    """Return the commands for a bundle's kind.

    Raises:
        BundleError: if there are none.
    """
    from runtime.bundle import BundleError, kind_of

    kind = kind_of(bundle)
    if kind not in KIND_COMMANDS:
        raise BundleError(
            f"{bundle} is a bundle of the kind {kind!r}; this version of shopcat knows {', '.join(KIND_COMMANDS)}"
        )
    return KIND_COMMANDS[kind]
