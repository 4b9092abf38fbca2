"""Measure the training rows per second of fastai's training loop and ours, side by side.

    python -m benchmarks.train_rate [--rounds 5] [--steps 60] [--device cpu]

Both train the network of fast.ai's lesson 6 (24 embeddings and 16 continuous columns, 229 inputs, 1000, 500, 1) with
one-cycle on the same synthetic rows. They take turns, so that other load on the machine meets both. fastai runs as its
users run it: TabularPandas, ``dataloaders``, ``tabular_learner``, ``fit_one_cycle``. Prints a Markdown table.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from fastai.tabular.all import Categorify, MSELossFlat, RegressionBlock, TabularPandas, tabular_config, tabular_learner
from torch import nn

from training.loop.batches import TensorBatches
from training.loop.learner import Learner
from training.sales.model.network import EMB_DROP, LAYERS, PS, TabularNet, emb_sz_lesson

# Number of codes of each categorical column, with the code for missing values.
CODES = (1116, 8, 4, 13, 32, 3, 26, 27, 5, 4, 4, 24, 9, 13, 53, 22, 7, 7, 4, 4, 9, 9, 3, 3)
CONTS = 16
Y_RANGE = (0.0, 12.0)


def table(rows: int) -> pd.DataFrame:
    """Return random columns with the fast.ai lesson's cardinalities, each code present, and a log target."""
    rng = np.random.default_rng(0)
    cats = {f"cat{i}": np.resize(rng.permutation(n - 1), rows) for i, n in enumerate(CODES)}
    conts = {f"cont{i}": rng.normal(size=rows).astype(np.float32) for i in range(CONTS)}
    y = 8.5 + 0.3 * conts["cont0"] + 0.1 * (cats["cat1"] % 7) + rng.normal(0, 0.1, rows).astype(np.float32)
    return pd.DataFrame({**cats, **conts, "y": y.astype(np.float32)})


def fastai_round(rows: pd.DataFrame, batch_size: int, device: str) -> Callable[[], None]:
    """Return a function that trains fastai's learner for one epoch."""
    cats = [name for name in rows.columns.tolist() if name.startswith("cat")]
    conts = [name for name in rows.columns.tolist() if name.startswith("cont")]
    data = TabularPandas(
        rows, [Categorify], cats, conts, y_names="y", y_block=RegressionBlock(), splits=(list(range(len(rows))), [0, 1])
    )
    learn = tabular_learner(
        data.dataloaders(bs=batch_size, device=torch.device(device)),
        layers=list(LAYERS),
        emb_szs={name: emb_sz_lesson(n) for name, n in zip(cats, CODES, strict=True)},
        config=tabular_config(ps=list(PS), embed_p=EMB_DROP, y_range=Y_RANGE),
        loss_func=MSELossFlat(),
        wd=0.01,
    )

    def run() -> None:
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(1, 1e-3)

    return run


def our_round(rows: pd.DataFrame, batch_size: int, device: str, *, bfloat16: bool = False) -> Callable[[], None]:
    """Return a function that trains our learner for one epoch."""
    cats = torch.from_numpy(rows.filter(regex="^cat").to_numpy(np.int64) + 1)
    conts = torch.from_numpy(rows.filter(regex="^cont").to_numpy(np.float32))
    y = torch.from_numpy(rows["y"].to_numpy(np.float32, copy=True))
    batches = TensorBatches(*(tensor.to(device) for tensor in (cats, conts, y)), batch_size=batch_size)
    net = TabularNet([(n, emb_sz_lesson(n)) for n in CODES], CONTS, y_range=Y_RANGE)
    learn = Learner(net, nn.functional.mse_loss, device=device, bfloat16=bfloat16, progress=False)
    return lambda: learn.fit_one_cycle(batches, 1, 1e-3)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="number of batches in a round")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true", help="measure our loop in bfloat16 too")
    args = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} of {os.cpu_count()} cores, {platform.machine()}")
    print(f"{args.rounds} rounds of {args.steps} batches, in turns; medians\n")
    print("| batch | loop | rows/s | lowest-highest | of fastai's | ratio of each round |")
    print("|---|---|---|---|---|---|")
    for batch_size in args.batch_sizes:
        rows = table(batch_size * args.steps)
        loops = {
            "fastai": fastai_round(rows, batch_size, args.device),
            "ours": our_round(rows, batch_size, args.device),
        }
        if args.bfloat16:
            loops["ours, bfloat16"] = our_round(rows, batch_size, args.device, bfloat16=True)
        for run in loops.values():  # warm up
            run()
        rates: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(args.rounds):
            for name, run in loops.items():
                began = time.perf_counter()
                run()
                rates[name].append(len(rows) / (time.perf_counter() - began))
        for name, loop_rates in rates.items():
            ratios = [rate / base for rate, base in zip(loop_rates, rates["fastai"], strict=True)]
            print(
                f"| {batch_size} | {name} | {statistics.median(loop_rates):,.0f} | "
                f"{min(loop_rates):,.0f}-{max(loop_rates):,.0f} | "
                f"{statistics.median(ratios):.2f} | {min(ratios):.2f}-{max(ratios):.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
