"""handlers.torchserve.handler: a worker in TorchServe's own service and context, with and without its protocol."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from ts.context import Context, RequestProcessor
from ts.protocol import otf_message_handler
from ts.service import Service
from ts.utils.util import list_classes_from_module

from handlers.batch import AnsweredBatch, answer_batch
from handlers.http import Request, Response
from handlers.telemetry.recorder import MAX_QUEUE_S
from handlers.torchserve import handler as module
from handlers.torchserve.handler import TorchServeHandler
from handlers.torchserve.protocol import NO_RETRY, message
from tests.handlers.test_batch import Model, parse
from tests.handlers.torchserve import test_protocol as wire

FIRST = Request({"body": b"21"})


class Doubling:
    """A worker that doubles numbers, and keeps its arguments and its first response."""

    def __init__(self, bundle: Path, *, device: str, threads: int, timeout: float) -> None:
        self.arguments = bundle, device, timeout
        self.seen: list[Request] = []
        self.finished = 0

    def begin(self, rehearse: Callable[[Request], Response]) -> None:
        self.first = rehearse(FIRST)
        self.seen.clear()

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        self.seen += requests
        return answer_batch(requests, parse=parse, run=Model().run)._replace(finish=self._finish)

    def _finish(self) -> None:
        self.finished += 1


def context(headers: Sequence[dict[str, Any]] = (), model_dir: Path = Path("/"), gpu: int | None = None) -> Context:
    """Return TorchServe's context of a batch of requests with these headers."""
    made = Context("sales", str(model_dir), None, len(headers), gpu, "0.12.0")
    made.request_processor = [RequestProcessor(request_headers) for request_headers in headers]
    made.request_ids = {index: f"ts-{index}" for index in range(len(headers))}
    return made


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> TorchServeHandler:
    """A handler as TorchServe initializes it; the worker doubles numbers."""
    monkeypatch.setattr(module, "Worker", Doubling)
    # The handler replaces them; the end of the test restores them.
    monkeypatch.setattr(otf_message_handler, "_retrieve_inference_msg", otf_message_handler._retrieve_inference_msg)
    monkeypatch.setattr(Service, "predict", Service.predict)
    made = TorchServeHandler()
    made.initialize(context(model_dir=tmp_path))
    return made


def worker_of(handler: TorchServeHandler) -> Doubling:
    assert isinstance(handler.worker, Doubling)
    return handler.worker


def seen_by(handler: TorchServeHandler) -> list[tuple[Any, ...]]:
    """Return the content of the requests that reached the worker."""
    return [(request.id, request.fields, [*request.headers], request.explain) for request in worker_of(handler).seen]


def test_torchserve_finds_one_class() -> None:
    assert list_classes_from_module(module) == [TorchServeHandler]


def test_the_handler_loads_the_bundle_of_the_archive(handler: TorchServeHandler, tmp_path: Path) -> None:
    assert worker_of(handler).arguments == (tmp_path / "bundle", "cpu", MAX_QUEUE_S)
    assert worker_of(handler).first == Response(200, "application/json", b"42")
    with_gpu = context(model_dir=tmp_path, gpu=1)
    with_gpu.model_yaml_config = {"responseTimeout": 30}
    handler.initialize(with_gpu)
    assert worker_of(handler).arguments == (tmp_path / "bundle", "cuda:1", 30)


def test_a_patched_worker_answers_through_torchserves_service(handler: TorchServeHandler) -> None:
    service = Service("sales", "/", None, handler.handle, None, 16, metrics_cache=Mock())
    explain, host = (b"explain", b"True"), (b"Host", b"x")
    sent = wire.message(
        [(b"a", [host], [(b"body", b"text/plain", b"1")]), (b"b", [explain], [(b"body", b"", b"7")]), (b"c", [], [])]
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        theirs.sendall(b"I" + sent)
        command, requests = otf_message_handler.retrieve_msg(ours)
        service.set_cl_socket(ours)
        assert (command, service.predict(requests)) == (b"I", b"")
        frame = theirs.recv(1 << 16)
    assert seen_by(handler) == [
        ("a", {"body": b"1"}, [host], False),
        ("b", {"body": b"7"}, [explain], True),
        ("c", {}, [], False),
    ]
    assert worker_of(handler).finished == 1
    expected, _ = answer_batch([Request({"body": body}) for body in (b"1", b"1", b"")], parse=parse, run=Model().run)
    assert frame.startswith(message(requests[:1], expected[:1])[:-4])
    assert frame.count(NO_RETRY[0].encode()) == 1


def answer(handler: TorchServeHandler, *requests: tuple[dict[str, Any], dict[str, Any]]) -> tuple[list[bytes], Context]:
    """Answer fields with their headers as TorchServe passes them to a handler itself."""
    batch = context([headers for _, headers in requests])
    return handler.handle([fields for fields, _ in requests], batch), batch


def test_an_unpatched_worker_gets_the_same_requests(handler: TorchServeHandler) -> None:
    """TorchServe reads bodies as bytearrays, decodes text/plain, and has a mapping for each field of a form."""
    answer(
        handler,
        ({"body": bytearray(b"1")}, {"X-Place": "0", "x-request-id": "theirs"}),
        ({"body": "ü"}, {"Content-Type": "text/plain", "explain": "True"}),
        (
            {"explain": b"True", "top_k": "3"},
            {"explain": {"content-type": ""}, "top_k": {"content-type": "text/plain"}},
        ),
        ({}, {"explain": "no"}),
    )
    assert seen_by(handler) == [
        ("theirs", {"body": b"1"}, [(b"X-Place", b"0"), (b"x-request-id", b"theirs")], False),
        ("ts-1", {"body": "ü".encode()}, [(b"Content-Type", b"text/plain"), (b"explain", b"True")], True),
        ("ts-2", {"explain": b"True", "top_k": b"3"}, [], False),
        ("ts-3", {}, [(b"explain", b"no")], False),
    ]
    assert worker_of(handler).finished == 1


def test_an_unpatched_worker_sets_status_and_type_in_the_context(handler: TorchServeHandler) -> None:
    bodies, batch = answer(handler, ({"body": b"1"}, {}), ({"body": b"7"}, {}), ({"body": b"x"}, {}))
    assert bodies[0] == b"2"
    assert [batch.get_response_status(index)[0] for index in range(3)] == [200, 500, 400]
    problem = "application/problem+json"
    assert [batch.get_response_content_type(index) for index in range(3)] == ["application/json", problem, problem]


def test_only_a_500_forbids_a_retry(handler: TorchServeHandler) -> None:
    """The gateway retries when a worker died, not when a request failed."""
    _, batch = answer(handler, ({"body": b"1"}, {}), ({"body": b"7"}, {}), ({"body": b"x"}, {}))
    name, value = NO_RETRY
    assert [batch.get_response_headers(index).get(name) for index in range(3)] == [None, value, None]


def test_torchserve_can_send_the_responses(handler: TorchServeHandler) -> None:
    """Its message needs lengths in bytes, and it counts reason phrases in characters."""
    bodies, batch = answer(handler, ({"body": b"1"}, {}), ({"body": "ü".encode()}, {}), ({}, {}))
    frame = otf_message_handler.create_predict_response(
        bodies, {0: "a", 1: "b", 2: "c"}, "Prediction success", 200, context=batch
    )
    assert all(body in frame for body in bodies)
    assert all(not batch.get_response_status(index)[1] for index in range(3))
