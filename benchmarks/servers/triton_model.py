"""Model of Triton's Python backend: answers requests as the FastAPI servers of this folder do.

Triton loads a copy of this file into each instance, without the paths of an environment.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Triton starts the instance without the packages that the imports below need.
sys.path[:0] = os.environ["SHOPCAT_TRITON_PATH"].split(os.pathsep)

import numpy as np  # noqa: E402
import triton_python_backend_utils as backend  # noqa: E402


class TritonPythonModel:
    """Forecasts or breeds, by the model's name."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the bundle."""
        self.answer = _pets() if args["model_name"] == "pets" else _sales()

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer a batch of requests, each with any number of bodies."""
        bodies = [backend.get_input_tensor_by_name(request, "body").as_numpy()[:, 0] for request in requests]
        answers = iter(self.answer([body for column in bodies for body in column]))
        responses = []
        for column in bodies:
            texts = np.array([next(answers) for _ in column], np.object_)[:, None]
            responses.append(backend.InferenceResponse([backend.Tensor("answer", texts)]))
        return responses


def _sales() -> Any:
    from sales.forecaster import Forecaster
    from schemas.sales.parse import parse_request

    forecaster = Forecaster.load(Path(os.environ["SHOPCAT_BUNDLE"]))
    return lambda bodies: [answer.to_json() for answer in forecaster.predict([parse_request(body) for body in bodies])]


def _pets() -> Any:
    from benchmarks.servers.plain_pets import PlainClassifier

    classifier = PlainClassifier.of_environment()
    return lambda photos: [classifier.answer(photo) for photo in photos]
