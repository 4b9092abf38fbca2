"""Why a forecast is what it is: what each input of the network contributed, against an ordinary day.

The contributions are Shapley values (`sales.shapley`) of the log of the forecast, as S. M. Lundberg and S.-I. Lee have
them (A unified approach to interpreting model predictions, 2017): what the network says if some inputs are those of
the explained day and the others those of the baseline. They tell what the network made of its inputs, one beside the
other. What would come of another promotion, which changes several of them, a what-if tells.

The baseline is an ordinary day: of a store in the middle of all, open, without promotion and holidays, among the days
to come. So a promotion's contribution is the whole of it and not its difference to an average of days with and
without; a store's own size and its competitors contribute, which they would not against the store's own ordinary day;
and it is a real one, whose forecast anybody can ask for. The mean of all inputs is a day that no store ever had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, floor, log, log10
from types import MappingProxyType

import numpy as np

from sales.arrays import Bool, Float64, Int64
from sales.calendar import STATE_HOLIDAYS
from sales.history import NAMES as HISTORY
from sales.panel import YEAR, Panel
from sales.preprocess import FILLED, Levels, Prepared, Preprocessor, Run
from sales.shapley import add_up, owen
from schemas.sales.explanation import Baseline, Contribution, GroupContribution, Value

DIGITS = 5  # of a contribution's decimals; float32 and another size of the batch leave about 1e-6

# Every column of either feature set is in one group.
GROUPS: Mapping[str, Sequence[str]] = MappingProxyType({
    "date": (
        "DayOfWeek", "Year", "Month", "Week", "Day", "DaysToMonthEnd", "Sin_1", "Cos_1", "Sin_2", "Cos_2", "Sin_3",
        "Cos_3",
    ),
    "promotion": (
        "Promo", "Promo_bw", "Promo_fw", "SincePromo", "UntilPromo", "PromoInterval", "Promo2SinceYear",
        "Promo2Weeks", "Promo2Month",
    ),
    "holidays": (
        "StateHolidayType", "StateHoliday", "StateHoliday_bw", "StateHoliday_fw", "SinceStateHoliday",
        "UntilStateHoliday", "AfterStateHoliday", "BeforeStateHoliday", "SchoolHoliday", "SchoolHoliday_bw",
        "SchoolHoliday_fw", "SinceSchoolHoliday", "UntilSchoolHoliday", "SinceEaster", "UntilEaster",
        "SinceChristmas", "UntilChristmas",
    ),
    "opening": (  # of the days around
        "OpenBefore_2", "OpenBefore_1", "OpenAfter_1", "OpenAfter_2", "Open_bw", "Open_fw", "SinceLongClosure",
        "UntilLongClosure",
    ),
    "weather": (
        "Max_TemperatureC", "Mean_TemperatureC", "Min_TemperatureC", "Max_Humidity", "Mean_Humidity", "Min_Humidity",
        "Max_Wind_SpeedKm_h", "Mean_Wind_SpeedKm_h", "CloudCover", "Precipitationmm", "Events",
    ),
    "competition": (
        "CompetitionDistance", "LogCompetitionDistance", "CompetitionOpenSinceYear", "CompetitionMonthsOpen",
        "CompetitionMonths", "CompetitionOpen",
    ),
    "store": ("Store", "StoreType", "Assortment", "State"),
    "history": HISTORY,  # what the store sold before
    "trend": ("trend", "trend_DE"),  # what people search for
})  # fmt: skip
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


def ordinary_days(panel: Panel, horizon: int) -> tuple[int, Int64]:
    """A store in the middle of all and its ordinary days to come: open, without promotion and holidays.

    The store is the one with the median of last year's mean log sales among those that have such days. If none has,
    as when all schools are closed, it is the days with the least of these. They are planned days, or assumed ones if
    there is no plan, or days of the past if all is closed.

    Args:
        panel: what is known of stores and days.
        horizon: days after the panel's cutoff that count as to come.

    Returns:
        The store and at least one day, as indices into the panel.

    Raises:
        ValueError: if no store is ever open.
    """
    calendar, cutoff = panel.calendar, panel.cutoff
    day = np.arange(calendar.days)
    open_ = np.asarray(calendar.open > 0)
    ahead = open_ & (day > cutoff) & (day <= cutoff + horizon)
    days = next((each for each in (ahead & (calendar.assumed == 0), ahead, open_) if each.any()), None)
    if days is None:
        raise ValueError("no store is ever open, so that no day is ordinary")
    special = np.sum([calendar.promo > 0, calendar.state_holiday > 0, calendar.school_holiday > 0], axis=0)
    ordinary = days & (special == special[days].min())
    stores = np.flatnonzero(ordinary.any(axis=1))
    log_sales = np.log(panel.sales[stores, max(cutoff + 1 - YEAR, 0) : cutoff + 1])
    sold = ~np.isnan(log_sales)
    # a store that sold nothing yet is not in the middle, unless there is no other
    stores, log_sales, sold = (each[sold.any(axis=1) | ~sold.any()] for each in (stores, log_sales, sold))
    level = np.where(sold, log_sales, 0).sum(axis=1) / np.maximum(sold.sum(axis=1), 1)
    store = int(stores[np.argsort(level, kind="stable")[(stores.size - 1) // 2]])
    return store, np.flatnonzero(ordinary[store])


class Explainer:
    """Explains forecasts of one model."""

    def __init__(
        self, run: Run, preprocessor: Preprocessor, levels: Levels, baseline: Baseline, prepared: Prepared
    ) -> None:
        """Set up.

        Args:
            run: the network.
            preprocessor: the model's.
            levels: what the codes of a column stand for, by its name.
            baseline: the ordinary day.
            prepared: the network's input for it, one row.
        """
        self.baseline = baseline
        self._run, self._preprocessor = run, preprocessor
        self._cats, self._conts = prepared.cats[0], prepared.conts[0]
        self._words = {**levels, "StateHolidayType": STATE_HOLIDAYS}
        n_cats, n_conts = len(preprocessor.cat_names), len(preprocessor.cont_names)
        self._names = (*preprocessor.cat_names, *preprocessor.cont_names)
        # Which input each column of the network is of. That a value was missing is of the same input as the value.
        self._filled = n_cats + np.flatnonzero(preprocessor.fill_missing.gapped)
        self._of_cat = np.concatenate([np.arange(n_cats), self._filled])
        self._of_cont = n_cats + np.arange(n_conts)
        groups = list(GROUPS)
        self._group = np.array([groups.index(_GROUP_OF[name]) for name in self._names])
        # A ten-thousandth of what a column usually differs by: float32 leaves less of it than that.
        self._digits = [4 - floor(log10(std)) if std > 0 else 4 for std in preprocessor.normalize.stds.tolist()]
        self._ordinary = self._values(prepared)

    def __call__(self, prepared: Prepared, sales: float) -> tuple[list[GroupContribution], list[Contribution]]:
        """What made a forecast differ from the baseline's.

        Args:
            prepared: the network's input for the explained day, one row.
            sales: its forecast, as the client gets it; more than 0.

        Returns:
            What groups and what inputs contributed, largest first; all of each, also those that contributed nothing.
            A group's inputs add up to it, and groups to the log of ``sales`` less that of the baseline's, all to the
            last digit.
        """
        own_cats, own_conts = prepared.cats[0], prepared.conts[0]
        differs = np.zeros(len(self._names), dtype=np.bool_)
        differs[self._of_cat[own_cats != self._cats]] = True
        differs[self._of_cont[own_conts != self._conts]] = True
        players = np.flatnonzero(differs)  # an input that is as on the ordinary day contributes nothing
        present, group = np.unique(self._group[players], return_inverse=True)

        def worth(coalitions: Bool) -> Float64:
            own = np.zeros((len(coalitions), len(self._names)), dtype=np.bool_)
            own[:, players] = coalitions
            cats = np.where(own[:, self._of_cat], own_cats, self._cats)
            return self._run(cats, np.where(own[:, self._of_cont], own_conts, self._conts)).astype(np.float64)

        values = owen(worth, group)
        groups, inputs = np.zeros(len(GROUPS)), np.zeros(len(self._names))
        if players.size:
            groups[present] = add_up(values.groups, round(log(sales / self.baseline.sales), DIGITS), DIGITS)
        for place, number in enumerate(present):
            mine = group == place
            inputs[players[mine]] = add_up(values.players[mine], groups[number], DIGITS)
        return self._answer(groups, inputs, self._values(prepared))

    def _answer(
        self, groups: Float64, inputs: Float64, values: Sequence[Value]
    ) -> tuple[list[GroupContribution], list[Contribution]]:
        """The contributions of groups and of inputs, largest first."""
        by_group = [
            GroupContribution(name, value, _factor(value))
            for number, (name, value) in enumerate(zip(GROUPS, groups.tolist(), strict=True))
            if number in self._group
        ]
        by_input = [
            Contribution(name, _GROUP_OF[name], own, ordinary, value, _factor(value))
            for name, own, ordinary, value in zip(self._names, values, self._ordinary, inputs.tolist(), strict=True)
        ]
        return sorted(by_group, key=_size, reverse=True), sorted(by_input, key=_size, reverse=True)

    def _values(self, prepared: Prepared) -> list[Value]:
        """What a row of the network's input stands for, by input."""
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
        for number in self._filled[cats[len(names) :] == FILLED].tolist():
            values[number] = None
        return values


def _factor(value: float) -> float:
    return float(f"{exp(value):.6g}")


def _size(contribution: GroupContribution | Contribution) -> float:
    return abs(contribution.log)
