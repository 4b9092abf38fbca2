"""Protection against hostile or broken clients, as Envoy's guide for a proxy at the edge of a network advises."""

import http.client
import socket
import ssl
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from serving.gateway.certificate import certificate_files
from serving.gateway.config import Timeouts
from serving.gateway.envoy import Gateway, running_gateway
from serving.ports import HOST
from tests.integration.client import ask
from tests.integration.gateway.helpers import MODELS, POST, exchange, settings
from tests.integration.gateway.standin import StandIn
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

_SETTINGS, _WINDOW_UPDATE = 4, 8  # types of HTTP/2 frames
SHORT = Timeouts(handshake=0.3, headers=0.3, request=0.6, idle=0.3, connection=0.3)


@pytest.fixture(scope="module")
def impatient(shared_stand_in: StandIn) -> Iterator[Gateway]:
    """A gateway that grants little time."""
    with running_gateway(settings(timeouts=SHORT), MODELS, [shared_stand_in.socket]) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "received"),
    [
        ("/predictions//sales", "/predictions/sales"),
        ("/x/../predictions/./sales", "/predictions/sales"),
        ("/predictions/sales?a=//b/../%2f", "/predictions/sales?a=//b/../%2f"),
    ],
)
def test_an_address_has_one_spelling_for_routes_and_workers(gateway: Gateway, path: str, received: str) -> None:
    answer = ask(gateway, b"{}", path=path)
    assert (answer.status, answer.content["path"]) == (200, received)


def test_a_client_of_http_1_0_is_told_which_versions_are_supported(gateway: Gateway) -> None:
    answer = exchange(gateway, b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"use HTTP/1.1 or HTTP/2" in answer


def test_http_2_has_few_streams_and_small_windows(gateway: Gateway) -> None:
    with socket.create_connection((HOST, gateway.config.port), timeout=10) as connection:
        connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack(">I", 0)[1:] + bytes([_SETTINGS, 0, 0, 0, 0, 0])
        )
        stream = connection.makefile("rb")
        found: dict[int, bytes] = {}
        while not found.keys() >= {_SETTINGS, _WINDOW_UPDATE}:
            head = stream.read(9)
            found.setdefault(head[3], stream.read(int.from_bytes(head[:3], "big")))
    values = dict(struct.iter_unpack(">HI", found[_SETTINGS]))
    assert (values[3], values[4]) == (100, 65536)  # SETTINGS_MAX_CONCURRENT_STREAMS, SETTINGS_INITIAL_WINDOW_SIZE
    assert 65535 + struct.unpack(">I", found[_WINDOW_UPDATE])[0] == 1 << 20


def test_a_handshake_that_stalls_is_ended(stand_in: StandIn, certificate: tuple[Path, Path]) -> None:
    config = settings(tls=certificate_files(*certificate), timeouts=SHORT)
    with running_gateway(config, MODELS, [stand_in.socket]):
        with socket.create_connection((HOST, config.port), timeout=10) as connection:
            assert connection.recv(1) == b""
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection((HOST, config.port), timeout=10) as connection, pytest.raises(ssl.SSLError):
            old.wrap_socket(connection)


@pytest.mark.parametrize("sent", [POST, POST + b"Content-Length: 10\r\n\r\n{"], ids=["headers", "body"])
def test_a_request_that_is_never_complete_is_ended(impatient: Gateway, sent: bytes) -> None:
    head, _, body = exchange(impatient, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b'"urn:shopcat:problem:request-timeout"' in body


def test_a_connection_without_requests_is_closed(impatient: Gateway) -> None:
    assert exchange(impatient, b"") == b""


def test_an_old_connection_ends_after_an_answer_that_says_so(impatient: Gateway) -> None:
    with closing(http.client.HTTPConnection(HOST, impatient.config.port, timeout=10)) as connection:

        def ends() -> bool:
            connection.request("POST", "/predictions/sales", b"{}")
            response = connection.getresponse()
            response.read()
            assert response.status == 200
            return response.getheader("connection") == "close"

        assert until(ends)


def test_on_all_addresses_of_ipv6_it_listens_on_those_of_ipv4_too(stand_in: StandIn) -> None:
    config = settings(host="::")
    with running_gateway(config, MODELS, [stand_in.socket]):
        for host in (HOST, "::1"):
            with closing(http.client.HTTPConnection(host, config.port, timeout=10)) as connection:
                connection.request("POST", "/predictions/sales", b"{}")
                assert connection.getresponse().status == 200


def test_a_request_on_an_idle_connection_is_answered_at_a_stop(stand_in: StandIn) -> None:
    """A client's pool may send on it until it has seen that the connection ends."""
    config = settings(timeouts=Timeouts(idle_at_stop=30))
    with (
        running_gateway(config, MODELS, [stand_in.socket]) as gateway,
        closing(http.client.HTTPConnection(HOST, config.port, timeout=10)) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        connection.connect()
        drained = pool.submit(gateway.drain, 60)
        stopped = "listener_manager.listener_stopped"
        assert until(lambda: gateway.stats(stopped)[stopped])
        connection.request("POST", "/predictions/sales", b"{}")
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        response.read()
        assert drained.result()  # at once, since no connection is left
