"""The usual alternative to TorchServe for forecasts: FastAPI and uvicorn, one request a call.

`python -m benchmarks.table sales` measures it. To run it alone:

    SHOPCAT_BUNDLE=model_store/sales uvicorn benchmarks.servers.fastapi_sales:app --workers 2

It takes one store and date, and runs the same forecaster on onnxruntime. It is as fast as such a server can be: uvloop,
httptools, no access log, an endpoint on the event loop instead of a thread pool, and one serialisation.
"""

import os
from pathlib import Path

from fastapi import FastAPI, Response

from sales.forecaster import Forecaster
from schemas.problems import Problem
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item

app = FastAPI()
forecaster = Forecaster.load(Path(os.environ["SHOPCAT_BUNDLE"]))


@app.post("/predictions/sales")
async def forecast(item: Item) -> Response:
    """Forecast one store's day."""
    (answer,) = forecaster.predict([ForecastRequest((item,), single=True)])
    status = answer.status if isinstance(answer, Problem) else 200
    return Response(answer.to_json(), status, media_type="application/json")
