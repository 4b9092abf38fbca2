"""Compare the sales model with other methods on a chain that differs from Rossmann in everything.

    python -m benchmarks.second_chain.compare restaurants [--stores 800] [--cutoffs 2017-04-22] [--work FOLDER]
    python -m benchmarks.second_chain.compare sales.csv --country FR --cutoffs 2018-09-22,2018-12-01

The chain is synthetic, or a CSV file with the columns store, date and sales. For each cutoff, the command
``shopcat train sales FILE --country CODE`` trains on the sales up to it, with its default options, and the bundle
forecasts the next six weeks. Each method forecasts the same days: those with sales, of stores with sales before. A
request states that the store is open, as the methods assume it. AutoETS and mlforecast are left out if statsforecast
and mlforecast are not installed. Prints RMSPE, RMSLE, WAPE and bias by window, and their means, as Markdown.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.markdown import table_row
from benchmarks.second_chain import groceries, restaurants
from benchmarks.second_chain.methods import HORIZON, METHODS, Floats

MODEL = "this model"
MEASURES = ("RMSPE", "RMSLE", "WAPE", "bias")


class Chain(NamedTuple):
    """Sales of a chain.

    Attributes:
        sales: store, date, sales; one row for each day with sales.
        country: ISO 3166 code; None if unknown.
        cutoffs: last days whose sales are known.
    """

    sales: pd.DataFrame
    country: str | None
    cutoffs: Sequence[str]


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chain", help="restaurants, groceries, or a CSV file")
    parser.add_argument("--stores", type=int, help="number of stores of a synthetic chain")
    parser.add_argument("--seed", type=int, default=0, help="random seed of a synthetic chain")
    parser.add_argument("--country", help="ISO 3166 code of the country of a CSV file")
    parser.add_argument("--cutoffs", help="last known days, separated by commas")
    parser.add_argument("--methods", help=f"some of: {', '.join(METHODS)}; separated by commas")
    parser.add_argument("--work", type=Path, help="folder for tables, bundles and figures; what it has is used again")
    arguments = parser.parse_args()
    chain = _chain(arguments)
    cutoffs = arguments.cutoffs.split(",") if arguments.cutoffs else chain.cutoffs
    methods = arguments.methods.split(",") if arguments.methods is not None else [*METHODS]
    with TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        windows = [_window(chain, np.datetime64(cutoff), methods, work / cutoff) for cutoff in cutoffs]
    names = [name for name in windows[0] if all(name in window for window in windows)]
    mean = {name: {m: float(np.mean([w[name][m] for w in windows])) for m in windows[0][name]} for name in names}
    print(f"\nmean of {len(windows)} windows\n")
    print(_table(mean))


def _chain(arguments: argparse.Namespace) -> Chain:
    """Return the chain that the command names."""
    synthetic = {"restaurants": (restaurants.restaurants, restaurants), "groceries": (groceries.groceries, groceries)}
    if arguments.chain in synthetic:
        make, module = synthetic[arguments.chain]
        frame = make(seed=arguments.seed, **({} if arguments.stores is None else {"stores": arguments.stores}))
        return Chain(frame.set_axis(["store", "date", "sales"], axis=1), module.COUNTRY, module.CUTOFFS)
    frame = pd.read_csv(arguments.chain, parse_dates=["date"], dtype={"store": str})
    return Chain(frame[frame["sales"] > 0][["store", "date", "sales"]], arguments.country, ())


def _window(chain: Chain, cutoff: np.datetime64, methods: Sequence[str], folder: Path) -> dict[str, dict[str, float]]:
    """Return the figures of each method after one cutoff, and print them."""
    date = chain.sales["date"]
    history = chain.sales[date <= pd.Timestamp(cutoff)]
    later = chain.sales[(date > pd.Timestamp(cutoff)) & (date <= pd.Timestamp(cutoff + HORIZON))]
    later = later[later["store"].isin(history["store"])].reset_index(drop=True)
    rows, sales = later[["store", "date"]], later["sales"].to_numpy(np.float64)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "figures.json"
    figures: dict[str, dict[str, float]] = json.loads(file.read_text()) if file.exists() else {}
    start = time.monotonic()
    if MODEL not in figures:
        figures[MODEL] = _figures(sales, _forecasts(history, later, chain.country, folder))
    seconds = {MODEL: time.monotonic() - start}
    for name in methods:
        if name in figures:
            continue
        start = time.monotonic()
        try:
            figures[name] = _figures(sales, METHODS[name](history, rows, chain.country or "US"))
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        seconds[name] = time.monotonic() - start
    file.write_text(json.dumps(figures, indent=1))
    times = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items() if value >= 1)
    print(f"\n{len(rows):,} days after {cutoff} ({times})\n")
    print(_table(figures), flush=True)
    return figures


def _forecasts(history: pd.DataFrame, later: pd.DataFrame, country: str | None, folder: Path) -> Floats:
    """Return the forecasts ``[row]`` of later days by a model that the command line trains on the history."""
    from sales.forecaster import Forecaster
    from training.sales.data.panel import panel_from_tables
    from training.sales.data.tables import read_tables
    from training.sales.evaluation import evaluate

    bundle, past, both = folder / "bundle", folder / "history.csv", folder / "sales.csv"
    history.to_csv(past, index=False)
    pd.concat([history, later]).to_csv(both, index=False)
    if not bundle.exists():
        command = [sys.executable, "-m", "shopcat", "train", "sales", str(past), "--out", str(bundle)]
        command += ["--report", str(folder / "report")]
        subprocess.run([*command, *([] if country is None else ["--country", country])], check=True)
    evaluation = evaluate(Forecaster.load(bundle), read_tables(both))
    panel = panel_from_tables(read_tables(both))
    dates = pd.to_datetime(panel.date[evaluation.rows.day], unit="D")
    stores = np.array([str(store) for store in panel.store_ids])[evaluation.rows.store]
    forecasts = pd.Series(evaluation.forecast, index=pd.MultiIndex.from_arrays([stores, dates]))
    asked = pd.MultiIndex.from_arrays([later["store"].astype(str), later["date"]])
    return np.asarray(forecasts.reindex(asked), dtype=np.float64)


def _figures(sales: Floats, forecast: Floats) -> dict[str, float]:
    """Return the measures of a forecast; all rows must have one."""
    if np.isnan(forecast).any():
        raise ValueError(f"{np.isnan(forecast).sum()} of {len(forecast)} rows have no forecast")
    values: Sequence[NDArray[np.float64] | float] = (
        np.sqrt(np.mean((forecast / sales - 1) ** 2)),
        np.sqrt(np.mean((np.log1p(forecast) - np.log1p(sales)) ** 2)),
        np.abs(forecast - sales).sum() / sales.sum(),
        forecast.sum() / sales.sum() - 1,
    )
    return {name: float(value) for name, value in zip(MEASURES, values, strict=True)}


def _table(figures: dict[str, dict[str, float]]) -> str:
    """Return the figures as a Markdown table, a row for each method."""
    lines = [table_row("method", MEASURES), table_row("---", ["---:"] * len(MEASURES))]
    lines += [table_row(name, [f"{values[m]:.4f}" for m in MEASURES]) for name, values in figures.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
