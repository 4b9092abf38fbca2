"""The fits of a training: the holdout, earlier windows for the intervals, and the one of all rows that is served."""

import logging
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sales.panel import Panel
from training.sales.data.tables import Tables
from training.sales.evaluation import Evaluation
from training.sales.fits.processes import default_jobs, run_fits
from training.sales.fits.window_fit import WindowFit
from training.sales.fits.windows import calibration_cutoffs, last_sale, tables_until
from training.sales.metrics import rmspe
from training.sales.options import Options
from training.sales.rows import Rows

logger = logging.getLogger(__name__)

# Rows times epochs below which fits run one after another; why: a process takes 4 s of CPU to start, as long as 100,000
# rows take in the default network.
MIN_PARALLEL = 500_000


@dataclass(frozen=True)
class TrainingFits:
    """The fits of a training. None depends on another, so they run in parallel.

    Attributes:
        panel: all known sales.
        holdout: fit on the sales before the holdout; it forecasts the holdout.
        windows: fits that each forecast an earlier window, the earliest first.
        final: fit on all rows; the same as the holdout's without a refit.
    """

    panel: Panel
    holdout: WindowFit
    windows: list[WindowFit]
    final: WindowFit

    @classmethod
    def of(
        cls, tables: Tables, panel: Panel, options: Options, cutoff: np.datetime64, folder: Path, device: str
    ) -> "TrainingFits":
        """Return the fits.

        The holdout's fit sees the plan up to the last sales, and the fit of a window sees the plan of the window. Both
        see nothing later, as a forecast does. The lesson's columns look ahead in all tables, so parity mode keeps them.

        Args:
            tables: checked tables.
            panel: panel of the tables.
            options: options of the training.
            cutoff: cutoff of the holdout.
            folder: folder for checkpoints and forecasts.
            device: device to train on.
        """
        parity, end = options.mode == "parity", last_sale(tables)
        cutoffs = calibration_cutoffs(tables, cutoff, windows=options.calibration_windows, days=options.horizon)

        def window_fit(name: str, after: np.datetime64, last: np.datetime64, known: Tables) -> WindowFit:
            rows = Rows.sold(panel, after=panel.calendar.day(after.astype(object)))
            rows = rows.where(rows.day <= panel.calendar.day(last.astype(object)))
            file = folder / f"{name.replace(' ', '-')}.safetensors"
            return WindowFit(name, after, rows.store, rows.day, known, options, device, file, rows.sales)

        known = tables if parity else tables_until(tables, cutoff, end)
        holdout = replace(window_fit("holdout", cutoff, end, known), find_lr=True, keep=not options.refit)
        windows = []
        for start in cutoffs[:-1]:
            last = start + options.horizon
            known = tables_until(tables, start, last, observed=parity)
            windows.append(window_fit(f"window {start}", start, last, known))
        nothing = np.zeros(0, np.int64)
        final = WindowFit(
            "all rows", None, nothing, nothing, tables, options, device, folder / "all.safetensors", keep=True
        )
        return cls(panel, holdout, windows, final if options.refit else holdout)

    def run(self, jobs: int | None, *, progress: bool | None = None) -> Generator[Evaluation, None, None]:
        """Run the fits that are not finished, and yield the evaluation of the holdout as soon as it is known.

        Args:
            jobs: number of fits in parallel; None for as many as cores and memory allow, or 1 for small tables.
            progress: show a progress bar while fits run one after another; if None, only on a terminal.
        """
        n_jobs = self._jobs(jobs)
        wanted = [self.holdout, *self.windows[::-1]]  # the later a window, the longer its fit
        if self.final is not self.holdout:
            # In parallel, the longest fit starts first. One after another, the holdout may stop the training early.
            wanted.insert(0 if n_jobs > 1 else len(wanted), self.final)
        missing = [fit for fit in wanted if fit.finished() is None]
        if len(missing) < len(wanted):
            logger.info("%d of %d fits are finished already", len(wanted) - len(missing), len(wanted))
        if self.holdout not in missing:
            yield self.evaluation(self.holdout)
        n_jobs = max(min(n_jobs, len(missing)), 1)
        if missing:
            logger.info("%d fits, %d in parallel: %s", len(missing), n_jobs, ", ".join(fit.name for fit in missing))
        start = time.monotonic()
        with closing(run_fits(missing, n_jobs, progress=progress)) as running:
            for count, fit in enumerate(running, start=1):
                seconds = time.monotonic() - start
                error = f": RMSPE {rmspe(fit.sales, fit.forecast()):.4f}" if fit.sales is not None else ""
                logger.info("%s finished%s  [%d of %d, %.0f s]", fit.name, error, count, len(missing), seconds)
                if fit is self.holdout:
                    yield self.evaluation(fit)

    def evaluation(self, fit: WindowFit) -> Evaluation:
        """Return the forecasts of a finished fit beside the actual sales."""
        assert fit.cutoff is not None
        assert fit.sales is not None
        cutoff = self.panel.calendar.day(fit.cutoff.astype(object))
        return Evaluation(self.panel, cutoff, Rows(fit.store, fit.day, fit.sales), fit.forecast())

    def _jobs(self, jobs: int | None) -> int:
        """Return the number of fits in parallel."""
        if jobs is not None:
            return jobs
        options, n_rows = self.final.options, len(Rows.sold(self.panel))
        if n_rows * options.epochs_for(n_rows) < MIN_PARALLEL:
            return 1
        return default_jobs(n_rows, device=self.final.device)
