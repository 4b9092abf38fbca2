"""Clients of the gateway: their API keys, names, rate limits, and the certificate that they see."""

import asyncio
import contextlib
import http.client
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from serving.gateway.certificate import certificate_files
from serving.gateway.envoy import Gateway, running_gateway
from serving.gateway.keys import ApiKey, key_file
from serving.gateway.rate_limit import parse_rate_limits
from serving.ports import HOST
from tests.integration.client import Answer, ask
from tests.integration.gateway.helpers import APP, MODELS, SHOP, TRACE, constant, problem, settings
from tests.integration.gateway.standin import StandIn
from tests.integration.service.shopcat import probe
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

# Keys around the lengths at which SHA-256 needs another block.
LONG = [ApiKey(f"long-{length}", f"{length}-".ljust(length, "k")) for length in (16, 55, 56, 63, 64, 119, 120, 512)]
DAILY = ApiKey("daily", "key-with-a-daily-limit", parse_rate_limits(["100/s", "3/day"]))
HASTY = ApiKey("hasty", "key-of-a-hasty-client", parse_rate_limits(["1/s", "2/day"]))


@pytest.fixture(scope="module")
def keyed(shared_stand_in: StandIn) -> Iterator[Gateway]:
    """A gateway that needs a key."""
    config = settings(keys=constant(SHOP, APP, DAILY, HASTY, *LONG), probes_port=shared_stand_in.port)
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as running:
        yield running


def with_key(key: ApiKey) -> dict[str, str]:
    return {"X-API-Key": key.key}


def test_requests_need_a_key_and_probes_do_not(keyed: Gateway) -> None:
    rejected = ask(keyed, b"{}", headers={"X-Request-Id": "mine", "traceparent": TRACE})
    assert (problem(rejected), rejected.headers["x-request-id"]) == ((401, "unauthorized"), "mine")
    assert rejected.headers["traceparent"] == TRACE
    wrong = [{}, *({"X-API-Key": key} for key in ("wrong", SHOP.key[:-1], SHOP.digest, "k" * 5000))]
    wrong += [{"Authorization": f"Basic {SHOP.key}"}, {"Authorization": SHOP.key}, {"Authorization": "Bearer "}]
    for headers in wrong:
        answer = ask(keyed, b"{}", headers=headers)
        assert problem(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert problem(ask(keyed, b"{}", path="/models")) == (401, "unauthorized")
    assert {probe(keyed.config.port, path) for path in ("/livez", "/readyz")} == {200}


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"Authorization": f"Bearer {SHOP.key}"}, "shop"),
        ({"Authorization": f"bearer {SHOP.key}"}, "shop"),
        (with_key(APP), "app"),
        ({"Authorization": "Basic dXNlcjpwYXNz", **with_key(APP)}, "app"),
        ({"Authorization": f"Bearer {SHOP.key}", "X-API-Key": "of-another-service"}, "shop"),
        ({"X-Shopcat-Client": "shop", **with_key(APP)}, "app"),
        *((with_key(key), key.client) for key in LONG),
    ],
)
def test_a_worker_receives_the_clients_name_and_not_its_key(
    keyed: Gateway, stand_in: StandIn, headers: dict[str, str], client: str
) -> None:
    received = ask(keyed, b"{}", headers=headers).content["headers"]
    assert received["x-shopcat-client"] == client
    assert not received.keys() & {"authorization", "x-api-key"}


def test_a_client_cannot_choose_its_name(gateway: Gateway) -> None:
    received = ask(gateway, b"{}", headers={"X-Shopcat-Client": "shop"}).content["headers"]
    assert "x-shopcat-client" not in received


def test_no_key_is_in_a_file_or_answer_of_envoy(keyed: Gateway) -> None:
    texts = [file.read_bytes() for file in keyed.folder.path.iterdir() if file.is_file()]
    texts += [keyed.admin("GET", path) for path in ("/config_dump", "/stats", "/clusters", "/server_info")]
    assert any(SHOP.digest.encode() in text for text in texts)
    assert not any(SHOP.key.encode() in text for text in texts)


# Rate limits


def test_a_client_beyond_its_limit_is_told_when_to_come_back(keyed: Gateway, stand_in: StandIn) -> None:
    assert [ask(keyed, b"{}", headers=with_key(DAILY)).status for _ in range(3)] == [200] * 3
    rejected = ask(keyed, b"{}", headers=with_key(DAILY))
    assert problem(rejected) == (429, "rate-limited")
    assert "the client daily may send 100 requests per second and 3 per day" in rejected.content["detail"]
    assert 60 < int(rejected.headers["retry-after"]) <= 86400 / 3
    assert ask(keyed, b"{}", headers=with_key(SHOP)).status == 200
    assert probe(keyed.config.port, "/livez") == 200


def test_a_request_beyond_a_short_limit_takes_nothing_of_a_long_one(keyed: Gateway, stand_in: StandIn) -> None:
    answers = list[Answer]()

    def send() -> Answer:
        answers.append(ask(keyed, b"{}", headers=with_key(HASTY)))
        return answers[-1]

    assert until(lambda: send() and [answer.status for answer in answers].count(200) == 2)
    assert {answer.headers["retry-after"] for answer in answers if answer.status == 429} <= {"1"}
    assert until(lambda: int(send().headers["retry-after"]) > 60)  # when a second has passed, the day's limit rejects


def test_without_keys_each_address_has_the_limit(stand_in: StandIn) -> None:
    config = settings(rate_limits=parse_rate_limits(["2/day"]), probes_port=stand_in.port, host="0.0.0.0")
    with running_gateway(config, MODELS, [stand_in.socket]) as gateway:

        def statuses(source: str) -> list[int]:
            with closing(http.client.HTTPConnection(HOST, config.port, source_address=(source, 0))) as connection:
                found = []
                for _ in range(3):
                    connection.request("POST", "/predictions/sales", b"{}")
                    response = connection.getresponse()
                    response.read()
                    found.append(response.status)
                return found

        assert statuses("127.0.0.1") == [200, 200, 429]
        assert statuses("127.0.0.2") == [200, 200, 429]
        rejected = ask(gateway, b"{}")
        assert "each address may send 2 requests per day" in rejected.content["detail"]
        assert probe(gateway.config.port, "/livez") == 200


# Changes while requests are in progress


class Clients:
    """Clients on connections that they keep, each with one request after another, until the block ends."""

    def __init__(self, url: str, headers: Sequence[dict[str, str]], verify: ssl.SSLContext | bool = True) -> None:
        self.statuses: list[list[int]] = [[] for _ in headers]
        self.errors: list[str] = []
        self._url, self._headers, self._verify = url, headers, verify
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Clients":
        self._thread.start()
        self.wait_for_answers()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def wait_for_answers(self, count: int = 20) -> None:
        """Wait until every client has some more answers."""
        before = [len(statuses) for statuses in self.statuses]
        assert until(
            lambda: (
                all(len(now) >= then + count for now, then in zip(self.statuses, before, strict=True)) or self.errors
            )
        )

    async def _run(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, verify=self._verify, timeout=20) as client:
            await asyncio.gather(*(self._client(client, number) for number in range(len(self._headers))))

    async def _client(self, client: httpx.AsyncClient, number: int) -> None:
        while not self._stopped.is_set():
            try:
                answer = await client.post("/predictions/sales", content=b"{}", headers=self._headers[number])
            except httpx.HTTPError as error:
                self.errors.append(repr(error))
                return
            self.statuses[number].append(answer.status_code)


@contextlib.contextmanager
def refreshing(gateway: Gateway) -> Iterator[None]:
    """Look at the gateway's files as `shopcat serve` does, until the block ends."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(0.05):
            gateway.folder.files.refresh()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def test_keys_are_exchanged_under_load_and_no_request_is_lost(
    stand_in: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"shop: {SHOP.key}\nold: the-key-of-an-old-client\n")
    config = settings(keys=key_file(file))
    headers = [with_key(SHOP)] * 4 + [{"X-API-Key": "the-key-of-an-old-client"}, with_key(APP)]
    with running_gateway(config, MODELS, [stand_in.socket]) as gateway, refreshing(gateway):

        def status(key: str) -> int:
            return ask(gateway, b"{}", headers={"X-API-Key": key}).status

        with Clients(config.url, headers) as clients:
            file.write_text(f"shop: {SHOP.key}\napp: {APP.key}\n")
            assert until(lambda: status(APP.key) == 200)
            assert until(lambda: status("the-key-of-an-old-client") == 401)
            file.write_text("this is no key\n")
            assert until(lambda: "stays in use" in caplog.text)
            clients.wait_for_answers()
            assert (status(SHOP.key), status(APP.key)) == (200, 200)
    *shop, old, app = clients.statuses
    assert not clients.errors
    assert {status for statuses in shop for status in statuses} == {200}
    assert (old, app) == (sorted(old), sorted(app, reverse=True))  # from 200 to 401, and from 401 to 200, once
    assert set(old) == set(app) == {200, 401}


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a self-signed certificate for 127.0.0.1 with another name than that of other tests."""
    files = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def test_with_a_certificate_only_https_is_accepted(stand_in: StandIn, certificate: tuple[Path, Path]) -> None:
    config = settings(tls=certificate_files(*certificate))
    trusting = ssl.create_default_context(cafile=certificate[0])
    with running_gateway(config, MODELS, [stand_in.socket]) as gateway:
        with closing(http.client.HTTPSConnection(HOST, config.port, context=trusting, timeout=10)) as connection:
            connection.request("POST", "/predictions/sales", b"{}")
            response = connection.getresponse()
            assert (response.status, json.load(response)["bytes"]) == (200, 2)
        with pytest.raises((http.client.HTTPException, OSError)):
            ask(gateway, b"{}")


@pytest.mark.parametrize("replace", [shutil.copyfile, lambda new, old: new.rename(old)], ids=["copied", "renamed"])
def test_a_certificate_is_exchanged_under_load_and_no_request_is_lost(
    stand_in: StandIn,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    replace: Callable[[Path, Path], object],
) -> None:
    files = make_certificate(tmp_path, "old")
    trusting = ssl.create_default_context(cafile=files[0])
    config = settings(tls=certificate_files(*files))
    with running_gateway(config, MODELS, [stand_in.socket]) as gateway, refreshing(gateway):

        def served() -> str:
            return ssl.get_server_certificate((HOST, config.port))

        with Clients(config.url, [{}] * 4, trusting) as clients:
            old = served()
            files[1].write_text("no key")
            assert until(lambda: "stays in use" in caplog.text)
            assert served() == old
            new = make_certificate(tmp_path, "new")
            expected = new[0].read_text()
            for source, target in zip(new, files, strict=True):
                replace(source, target)
            assert until(lambda: served() == expected)
            clients.wait_for_answers()
            assert gateway.stats(days := "server.days_until_first_cert_expiring")[days] in (29, 30)
    assert not clients.errors
    assert {status for statuses in clients.statuses for status in statuses} == {200}
