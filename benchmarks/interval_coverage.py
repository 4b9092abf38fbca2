"""Measure the coverage of intervals on simulated sales, whose distribution is known.

    python -m benchmarks.interval_coverage

100 stores of different noise, a horizon of 42 days, normal errors that grow by a tenth a week. In half of the runs, all
days and stores of a window share an error of half the daily standard deviation.
"""

import numpy as np

from benchmarks.markdown import table_row
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.coverage import LEVELS, coverage
from sales.uncertainty.residuals import Residuals

STORES, HORIZON = 100, 42
DRAWS, FRESH = 30, 10  # calibrations, and windows that each is judged on


def simulated(rng: np.random.Generator, windows: int, shared: float, noise: np.ndarray) -> Residuals:
    """Return residuals of windows.

    Args:
        rng: random generator.
        windows: number of windows.
        shared: standard deviation of the error that a window shares, relative to that of a day.
        noise: ``[store]``, standard deviation of a day's error in the first week.
    """
    shape = (windows, STORES, HORIZON)
    median = np.exp(rng.normal(8, 0.5, shape))
    error = rng.normal(size=shape) * (1 + 0.1 * (np.arange(HORIZON) // 7)) + shared * rng.normal(size=(windows, 1, 1))
    sales = median * np.exp(error * noise[:, None])
    sales[:, :, 6::7] = np.nan
    return Residuals(np.arange(windows), sales.astype(np.float32), median.astype(np.float32))


def covered(windows: int, shared: float) -> tuple[str, str]:
    """Return the coverage of days and of totals at each level, in percent, as text."""
    days, totals = [], []
    for seed in range(DRAWS):
        rng = np.random.default_rng(seed)
        noise = np.exp(rng.normal(-2.5, 0.5, STORES))
        calibration = Calibration.fit(simulated(rng, windows, shared, noise))
        judged = coverage(calibration, simulated(rng, FRESH, shared, noise), LEVELS)
        days.append(judged.days.mean(axis=0))
        totals.append(judged.totals.mean(axis=0))
    of_days, of_totals = (" / ".join(f"{share:.1%}" for share in np.mean(part, axis=0)) for part in (days, totals))
    return of_days, of_totals


def main() -> None:
    """Print a table of coverages by number of windows."""
    print(table_row("windows", ["days", "days, shared", "total", "total, shared"]))
    print("|---|---|---|---|---|")
    for windows in (1, 2, 4, 6):
        (days, totals), (shared_days, shared_totals) = covered(windows, 0), covered(windows, 0.5)
        print(table_row(str(windows), [days, shared_days, totals, shared_totals]))


if __name__ == "__main__":
    main()
