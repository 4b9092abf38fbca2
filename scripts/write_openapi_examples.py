"""Write schemas/examples.json, the examples of the OpenAPI document: ``python -m scripts.write_openapi_examples``.

The bundles in model_store answer every request, so that the document cannot contradict the code. Run
``python -m schemas.openapi`` afterwards.
"""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from pets.classifier import Classifier
from sales.forecaster import Forecaster
from schemas.pets.parse import parse_request as parse_pet_request
from schemas.pets.request import PetRequest
from schemas.problems import Problem
from schemas.sales.parse import parse_request as parse_sales_request

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "schemas" / "examples.json"
PHOTO = ROOT / "docs" / "cat.jpg"

Examples = dict[str, dict[str, Any]]


def examples() -> dict[str, dict[str, Examples]]:
    """Return the named examples by kind of model and by place in the document."""
    return {"sales": _sales(), "pets": _pets()}


def as_json() -> str:
    """Return the content of ``examples.json``."""
    return json.dumps(examples(), indent=1) + "\n"


def _sales() -> dict[str, Examples]:
    forecaster = Forecaster.load(ROOT / "model_store" / "demo")
    item = {"store": 1, "date": "2015-08-01"}
    one = _example("one store and day", item)
    items = _example("several items, one with a stated fact", {"items": [item, {**item, "store": 2, "promo": True}]})
    what_if = _example("the effect of a promotion", {**item, "date": "2015-08-07", "what_if": {"promo": True}})
    intervals = _example("with 80 and 90 percent intervals", {**item, "levels": [80, 90]})
    total = _example(
        "three days and their total, with quantiles, best for the mean",
        {"store": 1, "start": "2015-08-01", "days": 3, "quantiles": [0.1, 0.5, 0.9], "objective": "mean"},
    )
    forecasts = {
        "one": one,
        "intervals": intervals,
        "items": items,
        "range": _example("six weeks of a store", {"store": 1, "start": "2015-08-01", "days": 42}),
        "total": total,
        "what_if": what_if,
    }
    week = _example("a week of a store", {"store": 1, "start": "2015-08-03", "days": 7})

    def answers(requests: Examples, *, explain: bool = False) -> Examples:
        parsed = [parse_sales_request(request["value"], explain=explain) for request in requests.values()]
        predicted = forecaster.predict(parsed)
        return {
            name: _example(request["summary"], _checked(answer))
            for (name, request), answer in zip(requests.items(), predicted, strict=True)
        }

    return {
        "forecast_requests": forecasts,
        "forecast_answers": answers(
            {"one": one, "intervals": intervals, "items": items, "total": total, "what_if": what_if}
        ),
        "explanation_requests": {"one": one, "items": items, "range": week},
        "explanation_answers": answers({"one": one}, explain=True),
    }


def _pets() -> dict[str, Examples]:
    classifier = Classifier.load(ROOT / "model_store" / "pets", exact=True)
    photo = PHOTO.read_bytes()
    tiny = io.BytesIO()
    Image.new("RGB", (8, 8), "sienna").save(tiny, "PNG")  # the smallest photo that fits into a document
    json_request = {"image": base64.b64encode(tiny.getvalue()).decode(), "heatmap": "contrast", "overlay": "none"}
    with_photo = parse_pet_request({"body": photo, "top_k": b"2"}, {})
    with_heatmap = parse_pet_request({"body": photo, "top_k": b"2", "overlay": b"none"}, {}, explain=True)
    from_json = parse_pet_request({"body": json.dumps(json_request).encode()}, {})

    def answer(request: PetRequest) -> Any:
        (prediction,) = classifier.predict([classifier.prepare(request)])
        return _checked(prediction)

    return {
        "json_requests": {"contrast": _example("a contrast of the two most probable breeds", json_request)},
        "prediction_answers": {
            "photo": _example("docs/cat.jpg with top_k=2", answer(with_photo)),
            "contrast": _example("answer to the JSON request in the request examples", answer(from_json)),
        },
        "explanation_answers": {
            "photo": _example("docs/cat.jpg with top_k=2 and overlay=none", answer(with_heatmap)),
        },
    }


def _example(summary: str, value: Any) -> dict[str, Any]:
    return {"summary": summary, "value": value}


def _checked(answer: Any) -> Mapping[str, Any]:
    """Return an answer's JSON as a client receives it.

    Raises:
        ValueError: if the answer is a problem.
    """
    if isinstance(answer, Problem):
        raise ValueError(f"an example cannot be answered: {answer.detail}")
    content: dict[str, Any] = json.loads(answer.to_json())
    return content


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
