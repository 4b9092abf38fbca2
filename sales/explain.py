"""Explanations: the contribution of each input to a forecast, compared with an ordinary day.

The contributions are Shapley values (`sales.shapley`) of the log forecast, as in S. M. Lundberg and S.-I. Lee, A
unified approach to interpreting model predictions, 2017, https://arxiv.org/abs/1705.07874. The worth of a coalition is
the network's output if the coalition's inputs are those of the explained day and all others those of the baseline.
Contributions are attributed to single inputs. To get the effect of changing a promotion, which changes several inputs,
use a what-if.

The baseline is an ordinary day: a future day of a median store that is open, without promotion and holidays.

- A promotion contributes its full effect, and not the difference to an average of days with and without promotions.
- A store's size and its competitors contribute. Against an ordinary day of the same store they would not.
- The baseline is a real day, so anybody can request its forecast. The mean of all inputs is no day of any store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, floor, log, log10
from types import MappingProxyType
from typing import get_args

import numpy as np

from sales.arrays import Bool, Float64, Int64
from sales.columns.column import Group
from sales.columns.own import PREFIX
from sales.features import COLUMNS
from sales.panel import YEAR, Panel
from sales.preprocess import FILLED, Levels, Prepared, Preprocessor, Run
from sales.shapley import add_up, owen
from schemas.sales.explanation import Baseline, Contribution, GroupContribution, Value

DIGITS = 5  # decimals of a contribution; why: float32 and other batch sizes change about 1e-6


def _groups() -> Mapping[str, Sequence[str]]:
    """Return the names of all columns by group."""
    columns = [column for declared in COLUMNS.values() for column in declared.values()]
    return {
        group: tuple(dict.fromkeys(column.name for column in columns if column.group == group))
        for group in get_args(Group)
    }


GROUPS: Mapping[str, Sequence[str]] = MappingProxyType(_groups())
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}
_WORDS = {column.name: column.words for declared in COLUMNS.values() for column in declared.values() if column.words}


def _group_of(name: str) -> str:
    """Return the group of a column."""
    return "own" if name.startswith(PREFIX) else _GROUP_OF[name]


def ordinary_days(panel: Panel, horizon: int) -> tuple[int, Int64]:
    """Return a median store and its ordinary future days, which are open, without promotion and holidays.

    The store has the median of last year's mean log sales among the stores with such days. If no store has any, for
    example during school holidays, the days with the fewest of promotion and holidays are taken. The days are planned
    ones; without a plan they are assumed ones; if all stores are closed, they are past days.

    Args:
        panel: facts of all stores and days.
        horizon: number of future days after the panel's cutoff.

    Returns:
        The store and at least one day, as indices into the panel.

    Raises:
        ValueError: if no store is ever open.
    """
    calendar, cutoff = panel.calendar, panel.cutoff
    day = np.arange(calendar.days)
    open_ = np.asarray(calendar.open > 0)
    ahead = open_ & (day > cutoff) & (day <= cutoff + horizon)
    days = next((grid for grid in (ahead & (calendar.assumed == 0), ahead, open_) if grid.any()), None)
    if days is None:
        raise ValueError("no store is ever open, so that no day is ordinary")
    special = np.sum([calendar.promo > 0, calendar.state_holiday > 0, calendar.school_holiday > 0], axis=0)
    ordinary = days & (special == special[days].min())
    stores = np.flatnonzero(ordinary.any(axis=1))
    log_sales = np.log(panel.sales[stores, max(cutoff + 1 - YEAR, 0) : cutoff + 1])
    sold = ~np.isnan(log_sales)
    # leave out stores without sales, unless no store has any
    kept = sold.any(axis=1) | ~sold.any()
    stores, log_sales, sold = stores[kept], log_sales[kept], sold[kept]
    level = np.where(sold, log_sales, 0).sum(axis=1) / np.maximum(sold.sum(axis=1), 1)
    store = int(stores[np.argsort(level, kind="stable")[(stores.size - 1) // 2]])
    return store, np.flatnonzero(ordinary[store])


class Explainer:
    """Explainer of one model's forecasts."""

    def __init__(
        self, run: Run, preprocessor: Preprocessor, levels: Levels, baseline: Baseline, prepared: Prepared
    ) -> None:
        """Initialize the explainer.

        Args:
            run: the network.
            preprocessor: preprocessing of the model.
            levels: words of each column's codes, by column name.
            baseline: the ordinary day.
            prepared: the network's input for the ordinary day, one row.
        """
        self.baseline = baseline
        self._run, self._preprocessor = run, preprocessor
        self._cats, self._conts = prepared.cats[0], prepared.conts[0]
        self._words = {**levels, **_WORDS}
        n_cats, n_conts = len(preprocessor.cat_names), len(preprocessor.cont_names)
        self._names = (*preprocessor.cat_names, *preprocessor.cont_names)
        # Input of each column of the network. An ``_na`` column belongs to the same input as the value.
        self._filled = n_cats + np.flatnonzero(preprocessor.fill_missing.gapped)
        self._input_of_cat = np.concatenate([np.arange(n_cats), self._filled])
        self._input_of_cont = n_cats + np.arange(n_conts)
        groups = list(GROUPS)
        self._group = np.array([groups.index(_group_of(name)) for name in self._names])
        # Show values to a ten-thousandth of the standard deviation; the error of float32 is smaller.
        self._digits = [4 - floor(log10(std)) if std > 0 else 4 for std in preprocessor.normalize.stds.tolist()]
        self._ordinary = self._values(prepared)

    def __call__(self, prepared: Prepared, sales: float) -> tuple[list[GroupContribution], list[Contribution]]:
        """Explain the difference between a forecast and the baseline's forecast.

        Args:
            prepared: the network's input for the explained day, one row.
            sales: the day's forecast in the answer, above 0.

        Returns:
            The contributions of all groups and of all inputs, largest first. The inputs of a group add up to the group.
            The groups add up to the log of ``sales`` minus the log of the baseline's sales. Both sums are exact.
        """
        cats, conts = prepared.cats[0], prepared.conts[0]
        differs = np.zeros(len(self._names), dtype=np.bool_)
        differs[self._input_of_cat[cats != self._cats]] = True
        differs[self._input_of_cont[conts != self._conts]] = True
        players = np.flatnonzero(differs)  # an input with the ordinary day's value contributes nothing
        present, group = np.unique(self._group[players], return_inverse=True)

        def worth(coalitions: Bool) -> Float64:
            explained = np.zeros((len(coalitions), len(self._names)), dtype=np.bool_)
            explained[:, players] = coalitions
            mixed_cats = np.where(explained[:, self._input_of_cat], cats, self._cats)
            mixed_conts = np.where(explained[:, self._input_of_cont], conts, self._conts)
            return self._run(mixed_cats, mixed_conts).astype(np.float64)

        values = owen(worth, group)
        groups, inputs = np.zeros(len(GROUPS)), np.zeros(len(self._names))
        if players.size:
            groups[present] = add_up(values.groups, round(log(sales / self.baseline.sales), DIGITS), DIGITS)
        for index, group_index in enumerate(present):
            members = group == index
            inputs[players[members]] = add_up(values.players[members], groups[group_index], DIGITS)
        return self._contributions(groups, inputs, self._values(prepared))

    def _contributions(
        self, groups: Float64, inputs: Float64, values: Sequence[Value]
    ) -> tuple[list[GroupContribution], list[Contribution]]:
        """Return the contributions of groups and of inputs, largest first."""
        by_group = [
            GroupContribution(name, value, _factor(value))
            for index, (name, value) in enumerate(zip(GROUPS, groups.tolist(), strict=True))
            if index in self._group
        ]
        by_input = [
            Contribution(name, _group_of(name), explained, ordinary, value, _factor(value))
            for name, explained, ordinary, value in zip(
                self._names, values, self._ordinary, inputs.tolist(), strict=True
            )
        ]
        return sorted(by_group, key=_size, reverse=True), sorted(by_input, key=_size, reverse=True)

    def _values(self, prepared: Prepared) -> list[Value]:
        """Return the value of each input in one row of the network's input."""
        names, cats = self._preprocessor.cat_names, prepared.cats[0]
        codes = self._preprocessor.categorify.decode(cats[: len(names)])
        conts = self._preprocessor.normalize.decode(prepared.conts[0]).tolist()
        values = [
            *(
                self._words[name][code] if code is not None and name in self._words else code
                for name, code in zip(names, codes, strict=True)
            ),
            *(round(value, digits) for value, digits in zip(conts, self._digits, strict=True)),
        ]
        for index in self._filled[cats[len(names) :] == FILLED].tolist():
            values[index] = None
        return values


def _factor(value: float) -> float:
    return float(f"{exp(value):.6g}")


def _size(contribution: GroupContribution | Contribution) -> float:
    return abs(contribution.log)
