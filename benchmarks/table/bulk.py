"""Rows of bulk forecasts: `shopcat forecast` from file to file, fastai on the same rows, and the machine's limit."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from benchmarks.table import machine
from benchmarks.table.record import Result
from runtime.bundle import WEIGHTS
from sales.bundle import read_manifest
from sales.forecaster import Forecaster
from sales.preprocess import Prepared, Run
from schemas.sales.parse import parse_request
from training.sales.forecast_files.forecast import CHUNK, forecast_file
from training.sales.model.reference import reference_of
from training.sales.model.trees import Trees

N_ROWS = 50_000
BATCHES = (64, 1024)  # fastai's default, and a size at which it is faster
SINGLE_ROWS = 200
_UNIT = "rows/CPU s"

Ask = Callable[[int], dict[str, float]]


def rows(bundle: Path, *, rounds: int) -> tuple[list[Result], str]:
    """Measure each figure once a round; return the results and a description.

    Figures are rows per second of CPU time, because other programs on the machine change these little.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = _Work(bundle, Path(folder))
        with _fastai(work) as ask:
            measured = [work.measure(ask) for _ in range(rounds)]
    figures = {name: [figure[name] for figure in measured] for name in measured[0]}
    peers = {size: f"fastai's test_dl and get_preds, batches of {size}" for size in BATCHES}

    def result(what: str, name: str, peer: str, peer_name: str, goal: float | None = None) -> Result:
        return Result.of(what, peer, figures[name], figures[peer_name], unit=_UNIT, goal=goal)

    results = [
        *(result("file to file", "files", peer, f"fastai {size}", 3) for size, peer in peers.items()),
        *(result("the command with its start", "command", peer, f"fastai {size}") for size, peer in peers.items()),
        result("file to file", "files", f"{peers[BATCHES[-1]]}, and LightGBM", "fastai and trees", 3),
        result("file to file", "files", "the network's matrix products", "products", 0.5),
        result("file to file", "files", "the network and its trees", "network"),
        result("the network and its trees", "network", "the network's matrix products", "products"),
        result("the network and its trees", "network", "torch eager and LightGBM", "eager"),
        result("one row in a process", "one", "fastai's predict", "fastai one", 50),
    ]
    about = (
        f"{work.n_rows:,} rows with store, date and three facts, by the bundle {bundle.name}; medians of {rounds} "
        f"rounds. The command starts in {np.median(figures['start']):.2f} s of CPU time. fastai gets all columns "
        "ready-made and in memory. Its network has the size of the bundle's, without trees; LightGBM has the bundle's."
    )
    return results, about


class _Work:
    """Rows to forecast, as a file for the command and as the network's input."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.bundle, self.folder = bundle, folder
        self.network = read_manifest(bundle).network
        inputs = sum(width for _, width in self.network.emb_szs) + self.network.n_cont
        self._operations = machine.operations([inputs, *self.network.layers, 1])
        self.forecaster = Forecaster.load(bundle, device="cpu")
        weights = load_file(bundle / WEIGHTS)
        self._trees = Trees.of(weights) if self.network.tree_share else None
        self._eager = reference_of(weights, self.network)
        model = self.forecaster.model
        panel, horizon = model.panel, model.horizon
        n_stores = len(panel.store_ids)
        self.n_rows = max(N_ROWS // (n_stores * horizon), 1) * n_stores * horizon
        place = np.arange(self.n_rows)
        store, day = place // horizon % n_stores, panel.cutoff + 1 + place % horizon
        self.prepared: Prepared = model.preprocessor.transform(model.features.build(store, day))
        facts = {name: getattr(panel.calendar, name)[store, day] for name in ("open", "promo", "school_holiday")}
        dates = np.datetime_as_string((panel.first_day + day).astype("datetime64[D]"))
        frame = pd.DataFrame({"store": [panel.store_ids[index] for index in store.tolist()], "date": dates, **facts})
        frame.to_csv(folder / "rows.csv", index=False)
        frame.head(1).to_csv(folder / "one.csv", index=False)
        self._request = json.dumps({"store": panel.store_ids[0], "date": dates[0]}).encode()

    def measure(self, ask: Ask) -> dict[str, float]:
        """Return the rows per second of CPU time by figure, and the CPU seconds of a start."""
        out = self.folder / "out.csv"
        command = [sys.executable, "-m", "shopcat", "forecast", str(self.bundle), "--out", str(out)]
        figures = {
            "files": self.n_rows / _cpu(lambda: forecast_file(self.forecaster, self.folder / "rows.csv", out)),
            "network": self.n_rows / _cpu(partial(self._run, self.forecaster.model.run)),
            "eager": self.n_rows / _cpu(partial(self._run, self._eager)),
            "products": machine.limits()["matrix product, GFLOP/s"] * 1e9 / self._operations,
            "command": self.n_rows / _cpu_of_child([*command, str(self.folder / "rows.csv")]),
            "start": _cpu_of_child([*command, str(self.folder / "one.csv")]),
            "one": SINGLE_ROWS / _cpu(self._single_rows),
        }
        for size in BATCHES:
            seconds = ask(size)
            figures |= {f"fastai {size}": self.n_rows / seconds["all"], "fastai one": 1 / seconds["one"]}
        trees = 0.0 if self._trees is None else _cpu(partial(self._trees.predict, self.prepared))
        return figures | {"fastai and trees": self.n_rows / (seconds["all"] + trees)}

    def _run(self, run: Run) -> None:
        for first in range(0, self.n_rows, CHUNK):
            rows = slice(first, first + CHUNK)
            run(self.prepared.cats[rows], self.prepared.conts[rows])

    def _single_rows(self) -> None:
        for _ in range(SINGLE_ROWS):
            self.forecaster.predict([parse_request(self._request)])


@contextmanager
def _fastai(work: _Work) -> Iterator[Ask]:
    """Run fastai's script; yield a function that asks it for the CPU seconds of a batch size."""
    cats, conts = work.prepared
    frame = pd.DataFrame({f"cat{place}": column for place, column in enumerate(cats.T)})
    frame = frame.assign(**{f"cont{place}": column for place, column in enumerate(conts.T)})
    frame.to_parquet(work.folder / "fastai.parquet")
    config = {
        "widths": {f"cat{place}": width for place, (_, width) in enumerate(work.network.emb_szs)},
        "conts": [f"cont{place}" for place in range(work.network.n_cont)],
        "layers": work.network.layers,
        "y_range": work.network.y_range,
    }
    (work.folder / "fastai.json").write_text(json.dumps(config))
    script = [sys.executable, "-m", "benchmarks.peers.fastai_bulk", str(work.folder / "fastai.json")]
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(batch_size: int) -> dict[str, float]:
            print(batch_size, file=process.stdin, flush=True)
            seconds: dict[str, float] = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            return seconds

        ask(BATCHES[0])  # to warm up
        yield ask
        process.stdin.close()


def _cpu(call: Callable[[], object]) -> float:
    """Return the CPU seconds of a call, in all threads."""
    start = time.process_time()
    call()
    return time.process_time() - start


def _cpu_of_child(command: list[str]) -> float:
    """Return the CPU seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
