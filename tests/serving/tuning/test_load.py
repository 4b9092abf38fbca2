"""The load generator: answers, rejections and errors of a server."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load_generator import closed_loop
from benchmarks.load_generator.closed_loop import LoadError, measure


@contextmanager
def server(statuses: list[int], retry_after: int = 0) -> Iterator[str]:
    """Run a server that answers with each status in turn, and repeats the last; yield its URL."""
    left = itertools.chain(statuses, itertools.repeat(statuses[-1]))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status = next(left)
            self.close_connection = status == 503  # without a word in the header, as Envoy may do
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.send_header("Retry-After", str(retry_after))
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/predictions/pets"
        finally:
            running.shutdown()
            thread.join()


def test_rejected_requests_are_counted_and_sent_again() -> None:
    with server([503, 503, 200]) as url:
        load = measure(url, [b"photo"], connections=1, seconds=0.2, rejections=True)
    assert load.rejected == 2
    assert load.requests >= 1
    assert 0 < load.rate <= load.requests / 0.2


def test_a_rejected_connection_waits_as_long_as_the_server_says() -> None:
    with server([503, 200], retry_after=60) as url:  # the time is over before the connection may ask again
        load = measure(url, [b"photo"], connections=2, seconds=0.2, rejections=True)
    assert load.rejected == 1
    assert load.requests >= 1


def test_a_server_that_rejects_everything_has_no_figures() -> None:
    with server([503], retry_after=60) as url, pytest.raises(LoadError, match="rejected all 3 requests"):
        measure(url, [b"photo"], connections=3, seconds=0.1, rejections=True)


@pytest.mark.parametrize(("status", "rejections"), [(503, False), (500, True)])
def test_other_answers_end_the_measurement(status: int, rejections: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_loop.shutil, "which", lambda name: None)  # without wrk
    with server([status]) as url, pytest.raises(LoadError, match=str(status)):
        measure(url, [b"photo"], connections=1, seconds=0.1, rejections=rejections)
