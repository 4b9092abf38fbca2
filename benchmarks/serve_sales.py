"""How fast forecasts are served: our TorchServe, TorchServe doing nothing, and FastAPI, side by side in one run.

    python -m benchmarks.serve_sales model_store/sales

serving.py says how it is measured.
"""

import datetime as dt
import json

import numpy as np

from benchmarks.serving import compare, parser
from sales.bundle import read_manifest

REQUESTS = 1000


def main() -> None:
    """Measure and print the table: random stores, and random days of the horizon."""
    asked = parser(__doc__, seconds=2).parse_args()
    about, rng = read_manifest(asked.bundle), np.random.default_rng(0)
    days = rng.integers(1, about.horizon + 1, REQUESTS).tolist()
    stores = rng.choice(about.levels["Store"], REQUESTS).tolist()
    bodies = [
        json.dumps({"store": store, "date": str(about.cutoff + dt.timedelta(days=day))}).encode()
        for store, day in zip(stores, days, strict=True)
    ]
    compare(asked, "sales", bodies, content_type="application/json", about=f"{bodies[0].decode()} and the like")


if __name__ == "__main__":
    main()
