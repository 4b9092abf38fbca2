"""Requests of the Open Inference Protocol, as JSON or with binary tensors."""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

LENGTH = "Inference-Header-Content-Length"

Columns = Mapping[str, Sequence[Any]]


def tensor(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return an input of a JSON request."""
    data_type = "BYTES" if isinstance(values[0], str) else {"store": "INT64"}.get(name, "INT8")
    return {"name": name, "shape": [len(values), 1], "datatype": data_type, "data": [*values]}


def infer(url: str, model: str, columns: Columns, outputs: Sequence[Mapping[str, Any]] = ()) -> httpx.Response:
    """Send a request as JSON."""
    body: dict[str, Any] = {"inputs": [tensor(name, values) for name, values in columns.items()]}
    if outputs:
        body["outputs"] = [*outputs]
    return httpx.post(f"{url}/v2/models/{model}/infer", json=body, timeout=60)


def answer(response: httpx.Response) -> dict[str, list[Any]]:
    """Return the outputs of a response by name, flat."""
    assert response.status_code == 200, response.text
    return {output["name"]: output["data"] for output in response.json()["outputs"]}


def infer_photos(url: str, model: str, photos: Sequence[bytes]) -> dict[str, list[Any]]:
    """Send photos as a binary tensor; return the outputs by name, flat."""
    content = b"".join(struct.pack("<I", len(photo)) + photo for photo in photos)
    image = {"name": "image", "shape": [len(photos), 1], "datatype": "BYTES"}
    head = json.dumps({"inputs": [{**image, "parameters": {"binary_data_size": len(content)}}]}).encode()
    headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    return answer(httpx.post(f"{url}/v2/models/{model}/infer", content=head + content, headers=headers, timeout=60))
