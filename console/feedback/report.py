"""Figures of a model from the true values of the last days."""

import json
from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from console.feedback.estimates import Estimate, combined, groups, pinball, ratio, share
from schemas.feedback.answer import EstimateAnswer, PetsEstimate, PetsFigures, SalesFigures, TruthCount
from schemas.feedback.claims import LEVELS, PROBABILITIES

Row = Mapping[str, Any]
_EMPTY = EstimateAnswer(0, None, None, None)
_LAST_WEEK = 9  # week of the horizon that stands for all later ones too
SOURCES = ("receipt", "recomputed")


def sales_figures(rows: Sequence[Row]) -> list[SalesFigures]:
    """Return the figures of forecasts by source and group. Days without sales are left out, as in the model's card."""
    figures = []
    for source in SOURCES:
        of_source = [row for row in rows if row["source"] == source and row["sales"] > 0]
        if of_source:
            table = _SalesTable(of_source)
            figures += [
                table.figures(source, group, value, mask)
                for group, value, mask in [("all", "", np.ones(len(of_source), bool)), *table.groups()]
            ]
    return figures


class _SalesTable:
    """True sales and forecasts as columns."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._sales = np.array([row["sales"] for row in rows], float)
        self._forecast = np.array([row["forecast"] for row in rows], float)
        quantiles = [json.loads(row["quantiles"]) for row in rows]
        self._calibrated = np.array([len(of_row) == len(PROBABILITIES) for of_row in quantiles])
        none = [0.0] * len(PROBABILITIES)
        self._quantiles = np.array(
            [of_row if known else none for of_row, known in zip(quantiles, self._calibrated, strict=True)], float
        )
        self._day, self._store = groups([row["date"] for row in rows]), groups([row["store"] for row in rows])
        # A day before the cutoff is in no week.
        weeks = np.array([(row["ahead"] + 6) // 7 for row in rows])
        self._weeks = np.minimum(weeks, _LAST_WEEK)
        self._slices = [json.loads(row["slice"]) for row in rows]

    def groups(self) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
        """Yield the name and value of each group with a mask of its rows."""
        for week in sorted({*self._weeks.tolist()} - {*range(-1000, 1)}):
            yield "horizon", str(week), self._weeks == week
        for name in sorted({name for of_row in self._slices for name in of_row}):
            values = [of_row.get(name) for of_row in self._slices]
            for value in sorted({value for value in values if value is not None}):
                yield name, value, np.array([of_row == value for of_row in values])

    def figures(self, source: Any, group: str, value: str, mask: NDArray[np.bool_]) -> SalesFigures:
        """Return the figures of the rows of a mask."""
        by = self._by(mask)
        sales, forecast = self._sales[mask], self._forecast[mask]
        with_quantiles = mask & self._calibrated
        by_calibrated, known = self._by(with_quantiles), self._sales[with_quantiles]
        quantiles = self._quantiles[with_quantiles]
        coverage = {}
        for place, level in enumerate(reversed(LEVELS)):  # the outer quantiles are those of the larger level
            inside = (known >= quantiles[:, place]) & (known <= quantiles[:, -1 - place])
            coverage[level] = _answer(share(inside, groupings=by_calibrated))
        return SalesFigures(
            source=source,
            group=group,
            value=value,
            wape=_answer(ratio(np.abs(sales - forecast), sales, by)),
            bias=_answer(ratio(forecast, sales, by, less=1)),
            coverage_80=coverage[80],
            coverage_90=coverage[90],
            pinball=_answer(ratio(pinball(known, quantiles, PROBABILITIES), known, by_calibrated)),
        )

    def _by(self, mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the groups of the rows of a mask: by day, and by store."""
        return groups(self._day[mask].tolist()), groups(self._store[mask].tolist())


def pets_figures(rows: Sequence[Row]) -> list[PetsFigures]:
    """Return the accuracy of answers by group, from reviewers' truths.

    Owners send truth when an answer looks wrong, so that their truths would make the model look worse than it is.
    """
    reviewed = [row for row in rows if row["why"] == "reviewer" and row["is_right"] is not None]
    figures = _accuracies("all", "", reviewed)
    for species in sorted({row["species"] for row in reviewed} - {""}):
        figures += _accuracies("species", species, [row for row in reviewed if row["species"] == species])
    return figures


def _accuracies(group: str, value: str, rows: Sequence[Row]) -> list[PetsFigures]:
    right = np.array([row["is_right"] == 1 for row in rows], bool)
    checked = np.array([row["review_reason"] == "random_check" for row in rows], bool)
    doubted = np.array([row["review_reason"] in ("unlike_training", "low_probability") for row in rows], bool)
    weight = np.array([1 / row["review_share"] if row["review_share"] > 0 else 0.0 for row in rows])
    accuracies: dict[PetsEstimate, Estimate] = {
        "accepted": share(right[checked], weight[checked]),
        "reviewed": share(right[doubted]),
        "all": combined([(right[checked], weight[checked]), (right[doubted], np.ones(int(doubted.sum())))]),
    }
    if not checked.any():  # without a random share, nothing is known about the accepted photos
        accuracies["all"] = Estimate(0)
    return [PetsFigures(group, value, estimate, _answer(found)) for estimate, found in accuracies.items()]


def truth_counts(rows: Sequence[Row]) -> list[TruthCount]:
    """Return the numbers of truths by source and kind."""
    counts = Tally((row["why"], row["truth"]) for row in rows)
    return [TruthCount(why, truth, number) for (why, truth), number in sorted(counts.items())]


def _answer(estimate: Estimate) -> EstimateAnswer:
    return EstimateAnswer(estimate.rows, *map(_rounded, (estimate.point, estimate.low, estimate.high)))


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 6)
