"""The server that people write instead: FastAPI, uvicorn, one request a call. See serve_sales.py.

    SHOPCAT_BUNDLE=model_store/sales uvicorn benchmarks.fastapi_sales:app --workers 2

It takes one store and date, has the same forecaster as ours and onnxruntime inside, and is fast where such a server
can be: uvloop, httptools, no access log, an endpoint on the event loop rather than in a pool of threads, and an answer
that is serialised once.
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
