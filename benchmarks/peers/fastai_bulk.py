"""fastai on many rows and on one: `test_dl` and `get_preds`, and `predict`, with a network of a bundle's size.

    python -m benchmarks.peers.fastai_bulk CONFIG

CONFIG is a JSON file that `benchmarks.table.bulk` writes, beside the rows in Parquet. They have all columns of the
model already, and reading them is not counted. The network has random weights, since its time does not depend on them.
For each line of stdin, a batch size, the script prints a line of JSON: CPU seconds for all rows and for one row.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from fastai.tabular.all import (
    Categorify,
    FillMissing,
    MSELossFlat,
    Normalize,
    RegressionBlock,
    TabularPandas,
    tabular_config,
    tabular_learner,
)

SINGLE_ROWS = 10


def learner_of(frame: pd.DataFrame, config: dict[str, Any]) -> Any:
    """Return a learner for the columns, as fastai's users make it."""
    data = TabularPandas(
        frame.assign(y=0.0),
        [Categorify, FillMissing(add_col=False), Normalize],
        [*config["widths"]],
        config["conts"],
        y_names="y",
        y_block=RegressionBlock(),
        splits=(list(range(len(frame))), [0, 1]),
    )
    return tabular_learner(
        data.dataloaders(bs=64),
        layers=config["layers"],
        emb_szs=config["widths"],
        config=tabular_config(y_range=config["y_range"]),
        loss_func=MSELossFlat(),
    )


def main() -> None:
    """Answer the lines of stdin."""
    file = Path(sys.argv[1])
    config = json.loads(file.read_text())
    frame = pd.read_parquet(file.with_suffix(".parquet"))
    learner = learner_of(frame, config)
    with learner.no_bar(), learner.no_logging():
        for line in sys.stdin:
            start = time.process_time()
            learner.get_preds(dl=learner.dls.test_dl(frame, bs=int(line)))
            predicted = time.process_time()
            for row in range(SINGLE_ROWS):
                learner.predict(frame.iloc[row])
            single = (time.process_time() - predicted) / SINGLE_ROWS
            print(json.dumps({"all": predicted - start, "one": single}), flush=True)


if __name__ == "__main__":
    main()
