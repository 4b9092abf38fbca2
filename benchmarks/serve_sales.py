"""Measure requests/s of forecasts: Shopcat, TorchServe with an empty handler, and FastAPI, side by side in one run.

    python -m benchmarks.serve_sales model_store/sales

The requests ask for random stores and random days of the horizon. The method is described in
`benchmarks.servers.running`.
"""

import datetime as dt
import json
from pathlib import Path

import numpy as np

from benchmarks.servers.running import compare, parser
from sales.bundle import read_manifest

REQUESTS = 1000


def forecast_requests(bundle: Path) -> list[bytes]:
    """Return requests for random stores of a bundle, and random days of its horizon."""
    about, rng = read_manifest(bundle), np.random.default_rng(0)
    days = rng.integers(1, about.horizon + 1, REQUESTS).tolist()
    stores = rng.choice(about.levels["Store"], REQUESTS).tolist()
    return [
        json.dumps({"store": store, "date": str(about.cutoff + dt.timedelta(days=day))}).encode()
        for store, day in zip(stores, days, strict=True)
    ]


def main() -> None:
    """Measure and print the table."""
    args = parser(__doc__, seconds=2).parse_args()
    bodies = forecast_requests(args.bundle)
    compare(args, "sales", bodies, content_type="application/json", about=f"{bodies[0].decode()} and the like")


if __name__ == "__main__":
    main()
