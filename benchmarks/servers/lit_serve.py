"""LitServe, a peer of FastAPI that batches: HTTP servers and inference workers are separate processes.

    SHOPCAT_BUNDLE=model_store/sales python -m benchmarks.servers.lit_serve --kind sales --port 8000 --workers 2

It does the work of the FastAPI servers of this folder. Both kinds take the request's body as it is, which is faster
than LitServe's dictionaries and forms. Forecasts are made in batches of what has arrived.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import litserve
from fastapi import Depends, Request, Response

from benchmarks.servers.plain_pets import PlainClassifier
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request

SALES_BATCH = 16  # as in serving/archives/settings/sales.yaml


async def _body(request: Request) -> bytes:
    body: bytes = await request.body()
    return body


Body = Annotated[bytes, Depends(_body)]


class Sales(litserve.LitAPI):
    """Forecasts, in batches."""

    def setup(self, device: str) -> None:
        """Load the bundle."""
        self.forecaster = Forecaster.load(Path(os.environ["SHOPCAT_BUNDLE"]))

    def decode_request(self, request: Body) -> Any:
        """Return a parsed request."""
        return parse_request(request)

    def batch(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """Return the requests as they are, instead of an array."""
        return inputs

    def predict(self, requests: Sequence[Any]) -> list[bytes]:
        """Return the answers of a batch, as JSON."""
        return [answer.to_json() for answer in self.forecaster.predict(requests)]

    def unbatch(self, output: Sequence[bytes]) -> Sequence[bytes]:
        """Return the answers as they are."""
        return output

    def encode_response(self, output: bytes) -> Response:
        """Return an answer as a response."""
        return Response(output, media_type="application/json")


class Pets(litserve.LitAPI):
    """Breeds, one photo at a time, since batches gain nothing on a CPU."""

    def setup(self, device: str) -> None:
        """Load bundle and network."""
        self.classifier = PlainClassifier.of_environment()

    def decode_request(self, request: Body) -> bytes:
        """Return the photo's bytes."""
        return request

    def predict(self, photo: bytes) -> bytes:
        """Return the answer to a photo, as JSON."""
        return self.classifier.answer(photo)

    def encode_response(self, output: bytes) -> Response:
        """Return an answer as a response."""
        return Response(output, media_type="application/json")


def main() -> None:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=["sales", "pets"], required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, help="number of inference workers, and of HTTP servers")
    args = parser.parse_args()
    path = f"/predictions/{args.kind}"
    api = Sales(max_batch_size=SALES_BATCH, api_path=path) if args.kind == "sales" else Pets(api_path=path)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=args.workers, fast_queue=True, timeout=False)
    server.run(
        host="127.0.0.1",
        port=args.port,
        num_api_servers=args.workers,
        generate_client_file=False,
        log_level="critical",  # clients that end a measurement are errors to it
        access_log=False,
    )


if __name__ == "__main__":
    main()
