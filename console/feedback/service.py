"""Reports about models: the true values of the last days, the figures that follow, and the card's."""

import datetime as dt
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from console.feedback.bundles import Bundles
from console.feedback.report import pets_figures, sales_figures, truth_counts
from console.storage import Connection, Database
from runtime.bundle import kind_of
from schemas.feedback.answer import PetsReport, SalesReport
from schemas.feedback.claims import LEVELS
from schemas.sales.manifest import SalesManifest

KINDS = ("sales", "pets")  # of models that take feedback
DAYS = 28  # of a report, unless it is asked for others
BUNDLES = Bundles()


def report(database: Database, folders: Mapping[str, Path], name: str, days: int = DAYS) -> SalesReport | PetsReport:
    """Return the report about a model.

    Args:
        database: the console's database.
        folders: folders of the served bundles by name.
        name: name of the model.
        days: number of days back from now whose true values count.
    """
    since = int(time.time()) - days * 86_400
    folder = folders[name]
    with database.reading() as connection:
        answers = _answers(connection, name, days)
        if kind_of(folder) == "sales":
            rows = connection.execute(
                "SELECT source, store, date, ahead, forecast, quantiles, slice, sales FROM feedback_sales "
                "WHERE model = ? AND received >= ?",
                (name, since),
            ).fetchall()
        else:
            rows = connection.execute(
                "SELECT receipt, species, review_reason, review_share, truth, is_right, why FROM feedback_pets "
                "WHERE model = ? AND received >= ?",
                (name, since),
            ).fetchall()
    common: dict[str, Any] = {"model": name, "days": days, "answers": answers}
    if kind_of(folder) == "sales":
        served = sum(row["source"] == "receipt" for row in rows)
        return SalesReport(
            **common,
            truths=len(rows),
            share=_share(served, answers),
            card=sales_card(BUNDLES.sales(folder)),
            kind="sales",
            figures=sales_figures(rows),
        )
    return PetsReport(
        **common,
        truths=len(rows),
        share=_share(len({row["receipt"] for row in rows}), answers),
        card=pets_card(BUNDLES.pets(folder).metrics),
        kind="pets",
        figures=pets_figures(rows),
        reports=truth_counts(rows),
    )


def sales_card(manifest: SalesManifest) -> dict[str, float]:
    """Return the figures of a sales model's card by the names of the report."""
    metrics, calibration = manifest.metrics, manifest.calibration
    judged = metrics.get("intervals", {}).get("judged", {}).get("all", {})
    figures = {"wape": metrics.get("wape"), "bias": metrics.get("bias"), "pinball": judged.get("pinball")}
    if calibration is not None:
        figures |= {f"coverage_{level}": calibration.coverage.get(str(level)) for level in LEVELS}
    return {name: float(value) for name, value in figures.items() if value is not None}


def pets_card(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a pets model's card by the names of the report."""
    figures = {"accuracy": metrics.get("accuracy"), "accuracy_accepted": metrics.get("accepted_accuracy")}
    return {name: float(value) for name, value in figures.items() if value is not None}


def _answers(connection: Connection, name: str, days: int) -> int | None:
    """Return the number of answers of the last days; None if none was counted."""
    first = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=days)
    row = connection.execute(
        "SELECT SUM(number) AS number FROM feedback_answers WHERE model = ? AND day > ?", (name, str(first))
    ).fetchone()
    return None if row is None or row["number"] is None else int(row["number"])


def _share(truths: int, answers: int | None) -> float | None:
    return min(truths / answers, 1.0) if answers else None
