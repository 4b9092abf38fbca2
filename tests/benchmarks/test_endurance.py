"""The endurance run: a client that asks again, certificates replaced as in Kubernetes, and the verdict."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from benchmarks.endurance import KEY, write_certificate, wrong_answers
from benchmarks.load_generator.patient import Client, Tally
from benchmarks.soak import Request

FORECAST = Request("one forecast", "/predictions/sales", b"{}", "application/json", 200, 1)
BROKEN = 0  # the server closes the connection instead of an answer


@contextmanager
def https_server(folder: Path, statuses: list[int]) -> Iterator[int]:
    """Run a server that answers with these statuses in turn; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            assert self.headers["X-API-Key"] == KEY
            self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses.pop(0)
            if status == BROKEN:
                self.close_connection = True
                return
            self.send_response(status)
            if status in (429, 503):
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_request_is_sent_again_until_it_is_answered(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    tally = Tally()
    with https_server(tmp_path, [429, BROKEN, 503, 200]) as port:
        client = Client(port, tmp_path / "tls.crt", KEY, tally)
        assert client.ask(FORECAST) == 200
        client.close()
    assert tally.outcomes == {("one forecast", 200): 1}
    assert tally.attempts == {"429": 1, "RemoteDisconnected": 1, "503": 1, "200": 1}


def test_a_wrong_status_is_final(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    tally = Tally()
    with https_server(tmp_path, [500]) as port:
        client = Client(port, tmp_path / "tls.crt", KEY, tally)
        assert client.ask(FORECAST) == 500
        client.close()
    assert wrong_answers([FORECAST], tally) == ["1 x one forecast: 500 instead of 200"]


def test_a_request_without_an_answer_is_a_fault() -> None:
    tally = Tally()
    tally.add("one forecast", 0, ["ConnectionRefusedError"] * 9)
    tally.add("one forecast", 200, ["200"])
    assert wrong_answers([FORECAST], tally) == ["1 x one forecast: no answer instead of 200"]


def test_a_replaced_certificate_is_another_behind_the_same_names(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    before = (tmp_path / "tls.crt").read_text()
    write_certificate(tmp_path)
    assert (tmp_path / "tls.crt").read_text() != before
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
