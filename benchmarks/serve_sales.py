"""How fast forecasts are served: our TorchServe, TorchServe doing nothing, and FastAPI, side by side in one run.

    python -m benchmarks.serve_sales model_store/sales

serving.py says how it is measured.
"""

import datetime as dt
import json

from benchmarks.serving import compare, parser
from sales.bundle import read_manifest


def main() -> None:
    """Measure and print the table: the first store's day, two weeks after the last that the model knows."""
    asked = parser(__doc__, seconds=2).parse_args()
    about = read_manifest(asked.bundle)
    day = about.cutoff + dt.timedelta(days=14)
    body = json.dumps({"store": about.levels["Store"][0], "date": str(day)}).encode()
    compare(asked, "sales", body, content_type="application/json", about=body.decode())


if __name__ == "__main__":
    main()
