"""Run a backtest: fit the model for each window, and return all forecasts with the actual sales."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runtime.errors import UserError
from sales.uncertainty.calibration import Calibration
from schemas.sales.options import Objective
from training.checkpoint_folder import checkpoints
from training.sales import baselines
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import ModeError, Tables
from training.sales.evaluation import Evaluation
from training.sales.fits.competitors import COMPETITORS
from training.sales.fits.processes import default_jobs, run_fits
from training.sales.fits.window_fit import LESSON, MODEL, Forecasts, WindowFit
from training.sales.fits.windows import MIN_HORIZONS, SEASONS, first_sale, tables_until
from training.sales.intervals.residuals import MAX_WINDOWS, residuals_of
from training.sales.metrics import rmspe
from training.sales.options import Options
from training.sales.rows import Rows

logger = logging.getLogger(__name__)

LAST_YEAR, MEAN, AVERAGE = "last-year", "weekday-promotion", "model average"
FREE = (LAST_YEAR, MEAN)
BASELINES = (*FREE, *COMPETITORS, LESSON)
"""Names of all baselines, as the command line takes them."""


class BacktestError(UserError):
    """Settings of a backtest that the tables do not allow."""


@dataclass(frozen=True)
class Settings:
    """Settings of a backtest.

    Attributes:
        cutoffs: last day whose sales are known, for each window.
        days: number of days in a window.
        options: options of the model; their seed is replaced.
        seeds: number of fits in each window, with the seeds from 0.
        baselines: names of baselines to compare with.
        jobs: number of fits in parallel; None for as many as cores and memory allow.
        device: device to train on.
        intervals: calibrate intervals for each window, which takes further fits.
        new_stores: share of the stores, from 0 to below 1, that are unknown in training and judged apart.
    """

    cutoffs: Sequence[np.datetime64]
    days: int
    options: Options
    seeds: int = 1
    baselines: tuple[str, ...] = (*FREE, *COMPETITORS)
    jobs: int | None = None
    device: str = "cpu"
    intervals: bool = True
    new_stores: float = 0.0


@dataclass(frozen=True)
class Window:
    """Forecasts for the days after one cutoff, beside the actual sales.

    Attributes:
        evaluation: the actual sales; its forecast is that of seed 0.
        seeds: forecasts ``[row]`` of the model, by seed.
        baselines: forecasts ``[row]`` of other methods, by name.
        calibration: calibration fitted on windows before the cutoff; None without such windows.
        objective: measure that the judged forecasts are best for.
        new: ``[row]``, true for stores that were unknown in training; None if none were.
    """

    evaluation: Evaluation
    seeds: Mapping[int, np.ndarray[tuple[int], np.dtype[np.float64]]]
    baselines: Forecasts
    calibration: Calibration | None = None
    objective: Objective = "median"
    new: np.ndarray[tuple[int], np.dtype[np.bool_]] | None = None

    @property
    def cutoff(self) -> str:
        """Last day whose sales were known."""
        return str(self.evaluation.date(self.evaluation.cutoff))

    def forecasts(self) -> dict[tuple[str, int | None], np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """Return the forecasts ``[row]`` by forecaster and seed; the seed is None for a forecaster without one.

        With several seeds, their geometric mean is a forecaster too. Without a calibration, the objective is not known
        and the model's forecasts are medians.
        """
        factor = 1.0 if self.calibration is None else self.calibration.factors[self.objective]
        forecasts = {name: values * factor for name, values in self.medians().items()}
        return forecasts | {(name, None): values for name, values in self.baselines.items()}

    def medians(self) -> dict[tuple[str, int | None], np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """Return the median forecasts ``[row]`` of the model, and the geometric mean of several seeds."""
        medians: dict[tuple[str, int | None], np.ndarray[tuple[int], np.dtype[np.float64]]]
        medians = {(MODEL, seed): values for seed, values in self.seeds.items()}
        if len(self.seeds) > 1:
            medians[AVERAGE, None] = np.exp(np.mean([np.log(values) for values in self.seeds.values()], axis=0))
        return medians


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Attributes:
        settings: settings that it was run with.
        windows: the windows, the earliest first.
        skipped: reason why a baseline was left out, by name.
        synthetic: True if the tables are made up.
    """

    settings: Settings
    windows: Sequence[Window]
    skipped: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False


def backtest(tables: Tables, out: Path, settings: Settings, *, resume: bool = True) -> Backtest:
    """Run a backtest. An interrupted one goes on after its last finished fit, and inside it after the last epoch.

    Each fit sees the tables as they were known at its cutoff, with a plan of the window. It sees no sales after the
    cutoff, and no rows after the window.

    Args:
        tables: checked tables.
        out: folder of the report, which the caller writes. Forecasts of finished fits lie beside it until then.
        settings: settings of the backtest.
        resume: use the forecasts that an interrupted backtest left; otherwise start anew.

    Raises:
        BacktestError: if a baseline is not known, or a window has no sales.
        ModeError: if the tables lack what the mode needs.
        CheckpointError: if an interrupted backtest in this place had other tables or options.
        FitError: if a fit fails.
        RunningError: if another backtest works in this place.
    """
    unknown = sorted({*settings.baselines} - {*BASELINES})
    if unknown:
        raise BacktestError(f"no baseline is called {', '.join(unknown)}; choose among {', '.join(BASELINES)}")
    tables.check_mode(settings.options.mode)
    tables = tables.in_country(settings.options.country)
    skipped = {name: reason for name in settings.baselines if (reason := _reason_to_skip(name, tables))}
    for name, reason in skipped.items():
        logger.warning("WARNING: the baseline %s is left out: %s", name, reason)
    evaluations = {cutoff: _actual(tables, cutoff, settings.days) for cutoff in settings.cutoffs}
    n_before = settings.options.calibration_windows if settings.intervals else 0
    inner = inner_cutoffs(tables, settings.cutoffs, settings.days, windows=n_before)
    evaluations |= {cutoff: _actual(tables, cutoff, settings.days) for cutoff in inner}
    new = _new_stores(tables, settings.new_stores)
    trained = tuple(name for name in settings.baselines if name not in FREE and name not in skipped)
    with checkpoints(out, resume=resume, options=asdict(settings.options)) as folder:
        fits = _fits(tables, settings, evaluations, trained, new, folder)
        _run(fits, evaluations, settings)
        for cutoff, evaluation in evaluations.items():
            evaluations[cutoff] = replace(evaluation, forecast=fits[cutoff, 0].forecast())
        windows = [_window(fits, cutoff, evaluations, settings, new) for cutoff in settings.cutoffs]
    return Backtest(settings, windows, skipped, tables.synthetic)


def inner_cutoffs(tables: Tables, cutoffs: Sequence[np.datetime64], days: int, *, windows: int) -> list[np.datetime64]:
    """Return the cutoffs of further windows, on which those of the backtest are calibrated.

    As in a training, the last of them ends where a window of the backtest begins, and the others are spread over the
    year before. Windows of the backtest that are 13 weeks apart share them. There is none where the sales before are
    fewer than two windows, or where the backtest has the window already.

    Args:
        tables: checked tables.
        cutoffs: cutoffs of the backtest.
        days: number of days in a window.
        windows: number of windows before each cutoff.
    """
    earliest = first_sale(tables) + MIN_HORIZONS * days - 1
    step = max(SEASONS // max(windows, 1) // 7 * 7, -(-days // 7) * 7)
    inner = {cutoff - days - step * index for cutoff in cutoffs for index in range(windows)}
    return sorted(cutoff for cutoff in inner if cutoff >= earliest and cutoff not in cutoffs)


def _new_stores(tables: Tables, share: float) -> NDArray[np.int64]:
    """Return the ids of a fixed random share of the stores, at least one unless the share is 0."""
    stores = np.sort(tables.store["Store"].to_numpy(np.int64))
    n_new = min(max(round(share * len(stores)), 1), len(stores) - 1) if share else 0
    return np.sort(np.random.default_rng(0).permutation(stores)[:n_new])


def _reason_to_skip(name: str, tables: Tables) -> str:
    """Return the reason why a baseline can't be computed; empty if it can."""
    if name == LESSON:
        try:
            tables.check_mode("parity")
        except ModeError as error:
            return str(error)
    return ""


def _actual(tables: Tables, cutoff: np.datetime64, days: int) -> Evaluation:
    """Return the actual sales of a window, without a forecast.

    Raises:
        BacktestError: if nothing was sold in it.
    """
    panel = panel_from_tables(tables_until(tables, cutoff + days, cutoff + days))
    last_known = panel.calendar.day(cutoff.astype(object))
    rows = Rows.sold(panel, after=last_known)
    if not len(rows):
        raise BacktestError(f"the tables have no sales in the {days} days after {cutoff}; choose another cutoff")
    return Evaluation(panel, last_known, rows, np.full(len(rows), np.nan))


def _fits(
    tables: Tables,
    settings: Settings,
    evaluations: Mapping[np.datetime64, Evaluation],
    trained: tuple[str, ...],
    new: NDArray[np.int64],
    folder: Path,
) -> dict[tuple[np.datetime64, int], WindowFit]:
    """Return all fits by cutoff and seed.

    The trained baselines are computed beside the first seed of each window. A window that only calibrates has one seed
    and no baselines.
    """
    fits = {}
    parity = settings.options.mode == "parity"

    def known(cutoff: np.datetime64, *, observed: bool) -> Tables:
        until = tables_until(tables, cutoff, cutoff + settings.days, observed=observed)
        return replace(until, train=until.train[~until.train["Store"].isin(new)].reset_index(drop=True))

    for cutoff, evaluation in evaluations.items():
        judged = cutoff in settings.cutoffs
        for seed in range(settings.seeds if judged else 1):
            beside = trained if judged and not seed else ()
            fits[cutoff, seed] = WindowFit(
                name=f"{cutoff}, seed {seed}" if judged else f"{cutoff}, for intervals",
                cutoff=cutoff,
                store=evaluation.rows.store,
                day=evaluation.rows.day,
                tables=known(cutoff, observed=parity),
                observed=known(cutoff, observed=True) if LESSON in beside else None,
                options=replace(settings.options, seed=seed),
                baselines=beside,
                device=settings.device,
                file=folder / f"{cutoff}-seed{seed}.safetensors",
                sales=evaluation.rows.sales,
            )
    return fits


def _run(
    fits: Mapping[tuple[np.datetime64, int], WindowFit],
    evaluations: Mapping[np.datetime64, Evaluation],
    settings: Settings,
) -> None:
    """Run the fits that are not finished, and log the error of each."""
    missing = [fit for fit in fits.values() if fit.finished() is None]
    if len(missing) < len(fits):
        logger.info("%d of %d fits are finished already", len(fits) - len(missing), len(fits))
    if not missing:
        return
    most_rows = max(len(fit.tables.train) for fit in fits.values())
    jobs = min(settings.jobs or default_jobs(most_rows, device=settings.device), len(missing))
    logger.info("%d fits, %d in parallel", len(missing), jobs)
    start = time.monotonic()
    with closing(run_fits(missing, jobs)) as running:
        for count, fit in enumerate(running, start=1):
            assert fit.sales is not None
            error = rmspe(fit.sales, fit.forecast())
            elapsed = time.monotonic() - start
            logger.info("%s: RMSPE %.4f  [%d of %d, %.0f s]", fit.name, error, count, len(missing), elapsed)


def _window(
    fits: Mapping[tuple[np.datetime64, int], WindowFit],
    cutoff: np.datetime64,
    evaluations: Mapping[np.datetime64, Evaluation],
    settings: Settings,
    new: NDArray[np.int64],
) -> Window:
    """Return the forecasts of one window."""
    evaluation = evaluations[cutoff]
    seeds, trained = {}, Forecasts()
    for seed in range(settings.seeds):
        forecasts = fits[cutoff, seed].finished()
        assert forecasts is not None
        seeds[seed] = forecasts.pop(MODEL)
        trained |= forecasts
    known = baselines.known_until(evaluation.panel, evaluation.cutoff)
    is_new = np.isin(known.calendar.stores, new)
    known.sales[is_new] = np.nan  # why: `known_until` has copied them
    mean = baselines.weekday_promotion_mean(known, evaluation.rows)
    last_year = baselines.last_year(known, evaluation.rows)
    # All forecasters are compared on the same rows, so last year needs a stand-in for the days that it does not know.
    free = {MEAN: mean, LAST_YEAR: np.where(np.isnan(last_year), mean, last_year)}
    compared = {**free, **trained}
    chosen = {name: compared[name] for name in BASELINES if name in settings.baselines and name in compared}
    return Window(
        evaluation,
        seeds,
        chosen,
        calibration=_calibration(cutoff, evaluations, settings, is_new),
        objective=settings.options.objective,
        new=is_new[evaluation.rows.store] if len(new) else None,
    )


def _calibration(
    cutoff: np.datetime64,
    evaluations: Mapping[np.datetime64, Evaluation],
    settings: Settings,
    is_new: NDArray[np.bool_],
) -> Calibration | None:
    """Return a calibration from the windows that ended before a cutoff; None without such windows.

    Stores that are new in training have no residuals, because nobody could have known them.
    """
    before = sorted(other for other in evaluations if other + settings.days <= cutoff)[-MAX_WINDOWS:]
    if not before or not settings.intervals:
        return None
    residuals = residuals_of([evaluations[other] for other in before], settings.days)
    residuals.sales[:, is_new] = np.nan
    return Calibration.fit(residuals) if residuals.known.any() else None
