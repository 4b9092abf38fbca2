"""Measure how often the intervals of feedback hold the truth, on replayed answers whose truth is known.

    python -m benchmarks.console.coverage

Each replay draws answers of a service, and lets a share of them come back with their truth. The figures come from the
functions of the console. The truth is that of the process that the answers are drawn from, not that of one replay.

Forecasts: 100 stores, 28 days, with errors that share a shock of the day and one of the store. Photos: 30,000 answers,
of which 26 % are below the threshold; 5 % of the others are checked at random.
"""

import json
from collections import Counter as Tally
from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from benchmarks.markdown import table_row
from console.feedback.report import pets_figures, sales_figures
from schemas.feedback.answer import EstimateAnswer
from schemas.feedback.claims import PROBABILITIES

RATES = (0.05, 0.2, 0.5, 1.0)  # share of the answers whose truth comes back
REPLAYS = 600
STORES, DAYS = 100, 28
NOISE, DAY_SHOCK, STORE_SHOCK, FORECAST_BIAS = 0.10, 0.03, 0.03, 0.02  # of the log of sales
ANSWERS, DOUBTED, SHARE = 30_000, 0.26, 0.05
RIGHT_ACCEPTED, RIGHT_DOUBTED = 0.95, 0.50

Estimates = Iterator[tuple[str, EstimateAnswer]]


class Forecasts:
    """Forecasts of a service, whose true sales are drawn again for each replay."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.forecast = rng.lognormal(8.6, 0.4, (STORES, DAYS))
        self.forecast[:, 6::7] = 0.0  # closed
        # The intervals that the service promises allow for the noise alone.
        width = np.array([NormalDist().inv_cdf(probability) for probability in PROBABILITIES]) * NOISE
        self.quantiles = self.forecast[..., None] * np.exp(width)

    def draw(self) -> np.ndarray:
        """Return true sales, ``[store, day]``."""
        noise = self._rng.normal(0, NOISE, (STORES, DAYS))
        shocks = self._rng.normal(0, DAY_SHOCK, DAYS) + self._rng.normal(0, STORE_SHOCK, (STORES, 1))
        sales: np.ndarray = self.forecast * np.exp(noise + shocks - FORECAST_BIAS)
        return sales

    def figures(self, sales: np.ndarray, came_back: np.ndarray) -> Estimates:
        """Yield the estimates from the answers that came back."""
        rows = [
            {
                "source": "receipt",
                "store": str(store),
                "date": str(day),
                "ahead": day + 1,
                "forecast": self.forecast[store, day],
                "quantiles": json.dumps(self.quantiles[store, day].tolist()),
                "slice": "{}",
                "sales": sales[store, day],
            }
            for store, day in np.argwhere(came_back).tolist()
        ]
        (found,) = [figures for figures in sales_figures(rows) if figures.group == "all"]
        for name in ("wape", "bias", "coverage_80", "coverage_90", "pinball"):
            yield name, getattr(found, name)

    def truth(self) -> Mapping[str, float]:
        """Return the figures over a thousand draws."""
        draws = np.concatenate([self.draw()[self.forecast > 0] for _ in range(1000)])
        forecast = np.tile(self.forecast[self.forecast > 0], 1000)
        quantiles = np.tile(self.quantiles[self.forecast > 0], (1000, 1))
        error = draws[:, None] - quantiles
        losses = 2 * np.maximum(np.array(PROBABILITIES) * error, (np.array(PROBABILITIES) - 1) * error)
        return {
            "wape": float(np.abs(draws - forecast).sum() / draws.sum()),
            "bias": float(forecast.sum() / draws.sum() - 1),
            "coverage_80": float(((draws >= quantiles[:, 1]) & (draws <= quantiles[:, 3])).mean()),
            "coverage_90": float(((draws >= quantiles[:, 0]) & (draws <= quantiles[:, 4])).mean()),
            "pinball": float(losses.mean(1).sum() / draws.sum()),
        }


def photos(rng: np.random.Generator, rate: float) -> Estimates:
    """Yield the estimates from one replay of photos."""
    doubted = rng.random(ANSWERS) < DOUBTED
    right = rng.random(ANSWERS) < np.where(doubted, RIGHT_DOUBTED, RIGHT_ACCEPTED)
    reviewed = doubted | (rng.random(ANSWERS) < SHARE)
    rows: list[Mapping[str, Any]] = [
        {
            "why": "reviewer",
            "is_right": int(right[answer]),
            "species": "",
            "review_reason": "low_probability" if doubted[answer] else "random_check",
            "review_share": SHARE,
        }
        for answer in np.flatnonzero(reviewed & (rng.random(ANSWERS) < rate)).tolist()
    ]
    for figures in pets_figures(rows):
        yield f"accuracy, {figures.estimate}", figures.accuracy


PHOTO_TRUTH = {
    "accuracy, accepted": RIGHT_ACCEPTED,
    "accuracy, reviewed": RIGHT_DOUBTED,
    "accuracy, all": DOUBTED * RIGHT_DOUBTED + (1 - DOUBTED) * RIGHT_ACCEPTED,
}


def main() -> None:
    """Print the share of replays whose interval holds the truth, by estimate and rate."""
    rng = np.random.default_rng(0)
    forecasts = Forecasts(rng)
    truth = {**forecasts.truth(), **PHOTO_TRUTH}
    held: Tally[tuple[str, float]] = Tally()
    width: Tally[tuple[str, float]] = Tally()
    for _ in range(REPLAYS):
        sales = forecasts.draw()
        for rate in RATES:
            came_back = (rng.random(sales.shape) < rate) & (forecasts.forecast > 0)
            for name, found in [*forecasts.figures(sales, came_back), *photos(rng, rate)]:
                assert found.low is not None
                assert found.high is not None
                held[name, rate] += found.low <= truth[name] <= found.high
                width[name, rate] += found.high - found.low  # type: ignore[assignment]
    print(table_row("estimate (truth)", [f"{rate:.0%} came back" for rate in RATES]))
    print("|---|" + "---|" * len(RATES))
    for name, value in truth.items():
        cells = [f"{held[name, rate] / REPLAYS:.3f} (width {width[name, rate] / REPLAYS:.3f})" for rate in RATES]
        print(table_row(f"{name} ({value:.3f})", cells))


if __name__ == "__main__":
    main()
