"""benchmarks.servers.triton: requests of Triton's protocol; tests/integration/triton sends them to a real Triton."""

import json
import struct

from benchmarks.servers import triton

SIZE = int(triton.HEADERS["Inference-Header-Content-Length"])


def test_requests_have_json_of_one_length() -> None:
    bodies = [b"a", b"b" * 100_000]
    for body, request in zip(bodies, triton.infer_bodies(bodies), strict=True):
        (tensor,) = json.loads(request[:SIZE])["inputs"]
        assert tensor["name"] == "image"
        assert tensor["parameters"]["binary_data_size"] == len(request) - SIZE
        assert request[SIZE:] == len(body).to_bytes(4, "little") + body


def test_a_store_and_a_date_are_two_tensors() -> None:
    (request,) = triton.infer_bodies([b'{"store": 258, "date": "2015-08-01"}'])
    tensors = json.loads(request[:SIZE])["inputs"]
    assert [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in tensors] == [
        ("store", "INT64", [1, 1]),
        ("date", "BYTES", [1, 1]),
    ]
    assert [tensor["parameters"]["binary_data_size"] for tensor in tensors] == [8, 14]
    assert struct.unpack("<qI10s", request[SIZE:]) == (258, 10, b"2015-08-01")
