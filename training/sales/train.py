"""Train the sales model: tables in, a bundle and a report out.

All fits have the same options. The first leaves out the last weeks, the holdout, and is evaluated on them. The final
fit takes all rows, because the weeks just before a forecast are the most informative; the bundle holds this one. Each
of the others ends before an earlier window and forecasts it. Their errors and those of the holdout calibrate the
intervals. Parity mode reproduces the figures of the fast.ai lesson with the first fit alone.
"""

import logging
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from runtime.words import counted
from sales import bundle as bundles
from sales.uncertainty.calibration import Calibration
from schemas.sales.manifest import SalesManifest
from training.checkpoint_folder import checkpoints
from training.loop.history import History
from training.loop.lr_finder import FoundLR
from training.options import check_name
from training.run import Run
from training.sales.baselines import BaselineError, shortfall
from training.sales.card import model_card
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.evaluation import Evaluation, HoldoutError
from training.sales.fit import Fitted
from training.sales.fits.training import TrainingFits
from training.sales.fits.windows import first_sale, last_sale
from training.sales.golden import golden_rows
from training.sales.intervals.figures import interval_figures
from training.sales.intervals.residuals import residuals_of
from training.sales.model.export import exported_network, model_of
from training.sales.options import DEFAULT_HORIZON, Options
from training.sales.rows import Rows

logger = logging.getLogger(__name__)


class Trained(NamedTuple):
    """Result of a training, besides the bundle that it wrote.

    Attributes:
        manifest: manifest of the bundle.
        evaluation: forecasts of the first fit for the days that it has not seen, beside the actual sales.
        history: history of the first fit.
        lr: result of the learning-rate finder before the first fit; None if the loss diverged at once.
    """

    manifest: SalesManifest
    evaluation: Evaluation
    history: History
    lr: FoundLR | None


def train(
    tables: Tables,
    out: Path,
    options: Options,
    run: Run[Trained],
    *,
    require_better_than_baseline: bool = False,
    jobs: int | None = None,
) -> Trained:
    """Train and evaluate a model and write its bundle; an interrupted run resumes after its last finished epoch.

    Args:
        tables: checked tables.
        out: the bundle's folder. Checkpoints lie beside it until the bundle is complete.
        options: options that decide the result.
        run: settings of this run.
        require_better_than_baseline: fail if the model is not better than every baseline; otherwise warn.
        jobs: number of fits in parallel; None for as many as cores and memory allow, or 1 for small tables.

    Raises:
        BaselineError: if the model is not better than a baseline and must be; no bundle is written.
        OptionsError: if the model can't have this name.
        ModeError: if the tables lack what the mode needs.
        HoldoutError: if the tables leave nothing to train on or to evaluate on, or are shorter than the horizon.
        RunningError: if another training is writing the bundle.
        CheckpointError: if the checkpoint belongs to other tables or options.
        DivergedError: if the loss becomes infinite or NaN.
        FitError: if the process of a fit fails.
    """
    check_name(run.name)
    tables.check_mode(options.mode)
    tables = tables.in_country(options.country)
    cutoff = holdout_cutoff(tables, options)
    _check_horizon(tables, options)
    panel = panel_from_tables(tables)
    with checkpoints(out, resume=run.resume, options=asdict(options)) as folder:
        fits = TrainingFits.of(tables, panel, options, cutoff, folder, run.device)
        with closing(fits.run(jobs, progress=run.progress)) as evaluations:
            for evaluation in evaluations:
                _compare_with_baselines(evaluation, required=require_better_than_baseline)
        final = fits.final.fitted
        windows = [fits.evaluation(fit) for fit in fits.windows]
        residuals = residuals_of([*windows, evaluation], options.horizon)
        calibration = Calibration.fit(residuals)
        manifest = _manifest(final, evaluation, name=run.name, tables=tables)
        manifest["metrics"]["intervals"] = interval_figures(residuals, panel)
        manifest["calibration"] = bundles.calibration_spec(residuals, calibration)
        bundle = bundles.save(
            out,
            manifest,
            weights=final.weights(),
            network=exported_network(final),
            panel=final.panel,
            golden=golden_rows(model_of(final, run.name)),
            card=model_card(manifest),
            residuals=residuals,
            calibration=calibration,
            replace=run.replace,
        )
        trained = Trained(bundle, evaluation, *fits.holdout.course())
        if run.report is not None:
            run.report(trained)
    return trained


def holdout_cutoff(tables: Tables, options: Options) -> np.datetime64:
    """Return the last day that the first fit may see.

    The holdout is as long as the model's horizon, and at most a third of the days with sales. In parity mode it follows
    the fast.ai lesson, which holds out as many rows as the test table has, rounded up to whole days.

    Raises:
        HoldoutError: if no sales are left before or after the cutoff.
    """
    sold = tables.train.loc[tables.train["Sales"] > 0, "Date"].to_numpy("datetime64[D]")
    first, last = sold.min(), sold.max()
    if first == last:
        raise HoldoutError(f"all sales are of one day, {first}, which leaves nothing to judge by; add earlier sales")
    if options.holdout is not None:
        cutoff = last - options.holdout
    elif options.mode == "parity":
        latest = np.sort(sold)[::-1]
        cutoff = latest[min(len(tables.test), len(latest) - 1)] - 1
    else:
        third = int((last - first).astype(int) + 1) // 3
        cutoff = last - max(min(options.horizon, third), 1)
    if not first <= cutoff < last:
        raise HoldoutError(
            f"holding out the days after {cutoff} leaves nothing to train on or nothing to judge by: "
            f"the sales run from {first} to {last}; choose other holdout days"
        )
    return np.datetime64(cutoff)


def _check_horizon(tables: Tables, options: Options) -> None:
    """Check that the sales are long enough to learn the horizon, and warn if they can't judge all of it.

    The default horizon is never rejected, so that a few weeks of sales can be tried out.

    Raises:
        HoldoutError: if the horizon is longer than the days with sales.
    """
    span = int((last_sale(tables) - first_sale(tables)).astype(int)) + 1
    days = counted(span, "day")
    if options.horizon > max(span, DEFAULT_HORIZON):
        raise HoldoutError(
            f"the sales span {days}, so the model can't learn to forecast {options.horizon} days ahead; give a "
            f"--horizon of at most {max(span, DEFAULT_HORIZON)} days, better {max(span // 3, 1)}, or more sales"
        )
    judged = max(span // 3, 1)
    if options.mode == "production" and options.holdout is None and judged < options.horizon:
        logger.warning(
            "WARNING: the sales span %s, so the model is evaluated on the last %d only, and not on its horizon of %d "
            "days",
            days,
            judged,
            options.horizon,
        )


def _compare_with_baselines(evaluation: Evaluation, *, required: bool) -> None:
    """Warn of the baselines that the model does not beat.

    Raises:
        BaselineError: if there are any, and the model is required to beat them.
    """
    worse = shortfall(evaluation.metrics())
    if not worse:
        return
    if required:
        raise BaselineError(
            f"{worse}; no bundle was written. Try other options, or more sales; without "
            "--require-better-than-baseline the same command goes on from here and only warns"
        )
    logger.warning("WARNING: %s. Forecast with the baseline, or try other options or more sales", worse)


def _manifest(fitted: Fitted, evaluation: Evaluation, *, name: str, tables: Tables) -> dict[str, Any]:
    """Return the fields of the bundle's manifest, except those that saving adds."""
    panel, calendar = fitted.panel, fitted.panel.calendar
    return {
        "name": name,
        "created": datetime.now(UTC).replace(microsecond=0),
        "synthetic": tables.synthetic,
        "mode": fitted.options.mode,
        "cutoff": calendar.date(panel.cutoff),
        "horizon": fitted.options.horizon,
        "beyond_horizon": fitted.options.beyond_horizon,
        "first_date": calendar.date(0),
        "last_date": calendar.date(calendar.days - 1),
        "levels": {key: list(values) for key, values in panel.levels.items()},
        "preprocess": fitted.preprocessor.spec(panel.levels),
        "network": fitted.spec,
        "metrics": evaluation.metrics(),
        "objective": fitted.options.objective,
        "training": {
            **asdict(fitted.options),
            "country": tables.country,
            "until": calendar.date(panel.cutoff).isoformat(),
            "holdout": int(evaluation.rows.day.max()) - evaluation.cutoff,
            "device": fitted.device,
            "rows": len(Rows.sold(panel)),
            "torch": torch.__version__,
        },
    }
