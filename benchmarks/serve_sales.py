"""How fast forecasts are served: our TorchServe, TorchServe doing nothing, and FastAPI, side by side in one run.

    python -m benchmarks.serve_sales model_store/sales

serving.py says how it is measured.
"""

import datetime as dt
import json
from pathlib import Path

import numpy as np

from benchmarks.serving import compare, parser
from sales.bundle import read_manifest

REQUESTS = 1000


def some_days(bundle: Path) -> list[bytes]:
    """Requests for random stores of a bundle, and random days of its horizon."""
    about, rng = read_manifest(bundle), np.random.default_rng(0)
    days = rng.integers(1, about.horizon + 1, REQUESTS).tolist()
    stores = rng.choice(about.levels["Store"], REQUESTS).tolist()
    return [
        json.dumps({"store": store, "date": str(about.cutoff + dt.timedelta(days=day))}).encode()
        for store, day in zip(stores, days, strict=True)
    ]


def main() -> None:
    """Measure and print the table: random stores, and random days of the horizon."""
    asked = parser(__doc__, seconds=2).parse_args()
    bodies = some_days(asked.bundle)
    compare(asked, "sales", bodies, content_type="application/json", about=f"{bodies[0].decode()} and the like")


if __name__ == "__main__":
    main()
