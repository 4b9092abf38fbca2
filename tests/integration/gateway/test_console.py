"""The console behind the gateway: who may reach it, by key or cookie, and what Envoy keeps from it."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from serving.gateway.config import KEYLESS_LIMIT
from serving.gateway.envoy import Gateway, running_gateway
from serving.gateway.keys import ApiKey
from serving.gateway.rate_limit import parse_rate_limits
from serving.ports import HOST
from tests.integration.client import Answer, ask
from tests.integration.gateway.helpers import MODELS, constant, exchange, problem, settings
from tests.integration.gateway.standin import StandIn, standing_in

pytestmark = pytest.mark.integration

SHOP = ApiKey("shop", "correct-horse-battery")
VET = ApiKey("vet", 'a;key="with",marks%41\\', roles=("review",))
ADMIN = ApiKey("admin", "the-key-of-the-admin", roles=("predict", "review", "label", "admin"))
FORM = {"Content-Type": "text/plain"}  # as a form of another site's page can send it


@pytest.fixture(scope="module")
def console() -> Iterator[StandIn]:
    """A stand-in for the console."""
    with standing_in() as running:
        yield running


@pytest.fixture(scope="module")
def keyed(shared_stand_in: StandIn, console: StandIn) -> Iterator[Gateway]:
    """A gateway with keys, before the console."""
    config = settings(
        keys=constant(SHOP, VET, ADMIN),
        probes_port=shared_stand_in.port,
        console=console.socket,
        rate_limits=parse_rate_limits(["1000000/s"]),
    )
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as running:
        yield running


@pytest.fixture(scope="module")
def keyless(shared_stand_in: StandIn, console: StandIn) -> Iterator[Gateway]:
    """A gateway without keys, before the console."""
    with running_gateway(settings(console=console.socket), MODELS, [shared_stand_in.socket]) as running:
        yield running


def with_cookie(key: ApiKey | str, **headers: str) -> dict[str, str]:
    value = key if isinstance(key, str) else quote(key.key, safe="")
    return {"Cookie": f"theme=dark; shopcat-key={value}", **headers}


def origin(gateway: Gateway) -> str:
    return f"http://{HOST}:{gateway.config.port}"


def received(answer: Answer) -> dict[str, str]:
    """Return the headers that reached the console or a model."""
    assert answer.status == 200, answer
    found: dict[str, str] = answer.content["headers"]
    return found


# Clients


@pytest.mark.parametrize("key", [SHOP, VET, ADMIN], ids=lambda key: key.client)
def test_the_console_gets_the_client_and_its_roles_by_header_and_by_cookie(keyed: Gateway, key: ApiKey) -> None:
    for headers in ({"X-API-Key": key.key}, {"Authorization": f"Bearer {key.key}"}, with_cookie(key)):
        found = received(ask(keyed, None, method="GET", path="/review", headers=headers))
        assert (found["x-shopcat-client"], found["x-shopcat-roles"]) == (key.client, ",".join(key.roles))
        assert not found.keys() & {"x-api-key", "authorization", "cookie"}


def test_a_client_cannot_choose_its_name_or_its_roles(keyed: Gateway, keyless: Gateway) -> None:
    forged = {"X-Shopcat-Client": "admin", "X-Shopcat-Roles": "predict,review,label,admin"}
    found = received(ask(keyed, None, method="GET", path="/review", headers={"X-API-Key": SHOP.key, **forged}))
    assert (found["x-shopcat-client"], found["x-shopcat-roles"]) == ("shop", "predict")
    for gateway, path in (
        (keyed, "/console/session"),
        (keyed, "/console/"),
        (keyless, "/review"),
        (keyless, "/console/"),
    ):
        found = received(ask(gateway, None, method="GET", path=path, headers=forged))
        assert not found.keys() & {"x-shopcat-client", "x-shopcat-roles"}
    underscores = {"X_Shopcat_Client": "admin", "X_Shopcat_Roles": "admin"}
    assert problem(ask(keyless, None, method="GET", path="/review", headers=underscores)) == (400, "malformed-request")


def test_pages_and_the_session_need_no_key_and_the_api_does(keyed: Gateway) -> None:
    for path in ("/console/", "/console/shared/api.js", "/console/session", "/appeals/7"):
        assert ask(keyed, None, method="GET", path=path).status == 200
    assert ask(keyed, b"", path="/appeals").status == 200  # the console demands a receipt
    assert problem(ask(keyed, b"", path="/feedback/sales")) == (401, "unauthorized")
    for path in ("/review", "/review/7/photo", "/feedback/export"):
        answer = ask(keyed, None, method="GET", path=path)
        assert problem(answer) == (401, "unauthorized")
        assert answer.headers["x-content-type-options"] == "nosniff"
    for cookie in ("wrong", "", SHOP.digest, f"{SHOP.key}; shopcat-key=other", "k" * 5000):
        answer = ask(keyed, None, method="GET", path="/review", headers=with_cookie(cookie))
        assert problem(answer) == (401, "unauthorized"), cookie


def test_the_header_counts_where_a_request_has_a_cookie_too(keyed: Gateway) -> None:
    both = with_cookie(SHOP) | {"X-API-Key": ADMIN.key}
    assert received(ask(keyed, None, method="GET", path="/review", headers=both))["x-shopcat-client"] == "admin"
    wrong = with_cookie(SHOP) | {"X-API-Key": "no-key-of-this-service"}
    assert problem(ask(keyed, None, method="GET", path="/review", headers=wrong)) == (401, "unauthorized")


def test_only_sign_in_passes_the_key_on(keyed: Gateway) -> None:
    headers = {"X-API-Key": SHOP.key}
    assert received(ask(keyed, b"", path="/console/session", headers=headers))["x-api-key"] == SHOP.key
    for method, path in (("GET", "/console/session"), ("POST", "/console/session/"), ("POST", "/feedback/sales")):
        assert "x-api-key" not in received(ask(keyed, b"", method=method, path=path, headers=headers))


def test_a_key_without_the_role_predict_gets_no_forecast(keyed: Gateway, stand_in: StandIn) -> None:
    answer = ask(keyed, b"{}", headers={"X-API-Key": VET.key})
    assert problem(answer) == (403, "forbidden")
    assert answer.content["detail"] == "this needs a key with the role predict"
    assert ask(keyed, b"{}", headers={"X-API-Key": ADMIN.key}).status == 200


# Requests that another site's page makes


@pytest.mark.parametrize("path", ["/predictions/sales", "/feedback/sales", "/review/7", "/console/session"])
def test_a_write_with_a_cookie_needs_the_services_own_origin(keyed: Gateway, stand_in: StandIn, path: str) -> None:
    for other in (None, "null", "http://evil.example", f"https://{HOST}:{keyed.config.port}", f"http://{HOST}"):
        headers = with_cookie(SHOP, **FORM) | ({"Origin": other} if other else {})
        answer = ask(keyed, b"{}", path=path, headers=headers)
        assert problem(answer) == (403, "forbidden"), other
        assert "another site" in answer.content["detail"]
    assert ask(keyed, b"{}", path=path, headers=with_cookie(SHOP, Origin=origin(keyed))).status == 200
    assert ask(keyed, b"{}", path=path, headers={"X-API-Key": SHOP.key}).status == 200  # a program
    deletion = ask(keyed, None, method="DELETE", path="/feedback/7", headers=with_cookie(SHOP, Origin="http://evil"))
    assert problem(deletion) == (403, "forbidden")


def test_behind_a_proxy_the_public_address_is_the_origin_and_the_cookie_is_bound_to_the_host(
    shared_stand_in: StandIn, console: StandIn
) -> None:
    config = settings(keys=constant(SHOP), console=console.socket, public_url="https://shop.example")
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as gateway:
        secure = {"Cookie": f"__Host-shopcat-key={SHOP.key}"}
        assert (
            ask(gateway, b"", path="/feedback/sales", headers=secure | {"Origin": "https://shop.example"}).status == 200
        )
        rejected = ask(gateway, b"", path="/feedback/sales", headers=secure | {"Origin": origin(gateway)})
        assert problem(rejected) == (403, "forbidden")
        plain = ask(gateway, None, method="GET", path="/review", headers=with_cookie(SHOP))
        assert problem(plain) == (401, "unauthorized")


# Addresses


def test_the_first_address_leads_to_the_pages_only_where_there_are_pages(keyed: Gateway, gateway: Gateway) -> None:
    for path in ("/", "/console"):
        answer = ask(keyed, None, method="GET", path=path)
        assert (answer.status, answer.headers["location"]) == (302, "/console/")
        assert problem(ask(gateway, None, method="GET", path=path)) == (404, "not-found")
    assert problem(ask(gateway, None, method="GET", path="/console/")) == (404, "not-found")


@pytest.mark.parametrize(
    ("sent", "status", "seen"),
    [
        ("/console/../metrics", 404, []),
        ("/console/%2e%2e/metrics", 404, []),
        ("/console/..%2fmetrics", 400, []),
        ("/console//x", 200, ["/console/x"]),
        ("/metrics", 404, []),
        ("/healthz", 404, []),
        ("/feedbackx", 404, []),
        ("/reviewer/1", 404, []),
    ],
)
def test_no_spelling_of_an_address_reaches_more_of_the_console(
    keyless: Gateway, console: StandIn, sent: str, status: int, seen: list[str]
) -> None:
    before = len(console.paths)
    answer = exchange(keyless, f"GET {sent} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert console.paths[before:] == seen
    assert answer.startswith(f"HTTP/1.1 {status}".encode())


# Load


def test_a_body_is_limited_and_reaches_the_console_only_when_it_is_complete(keyless: Gateway, console: StandIn) -> None:
    answer = ask(keyless, b"x" * 1_048_577, path="/feedback/sales")
    assert problem(answer) == (413, "too-large")
    assert "1,048,576 bytes" in answer.content["detail"]
    before = len(console.paths)
    with socket.create_connection((HOST, keyless.config.port), timeout=10) as slow:
        slow.sendall(b"POST /feedback/sales HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 99_999)
        assert ask(keyless, b"done", path="/feedback/pets").content["bytes"] == 4
        assert console.paths[before:] == ["/feedback/pets"]
        slow.sendall(b"x")
        assert b"200 OK" in slow.recv(65536)


def test_requests_beyond_a_rate_are_rejected_and_pages_do_not_count(shared_stand_in: StandIn, console: StandIn) -> None:
    config = settings(console=console.socket, rate_limits=parse_rate_limits(["2/day"]))
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as gateway:
        assert {ask(gateway, None, method="GET", path="/console/x.js").status for _ in range(5)} == {200}
        statuses = [ask(gateway, b"", path="/feedback/sales").status for _ in range(3)]
        assert statuses == [200, 200, 429]


def test_while_the_console_is_down_only_its_addresses_are(
    shared_stand_in: StandIn, stand_in: StandIn, tmp_path: Path
) -> None:
    config = settings(console=tmp_path / "nobody.sock")
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as gateway:
        answers = [ask(gateway, None, method="GET", path=path) for path in ("/console/", "/review", "/appeals/7")]
        answers.append(ask(gateway, b"", path="/feedback/sales"))
        for answer in answers:
            assert problem(answer) == (503, "unavailable")
            assert "pages" in answer.content["detail"]
            assert answer.headers["retry-after"] in ("1", "2", "3")
        assert ask(gateway, b"{}").status == 200


# Appeals without a key


def test_an_address_without_a_key_files_few_appeals_at_once(shared_stand_in: StandIn, console: StandIn) -> None:
    config = settings(keys=constant(SHOP), probes_port=shared_stand_in.port, console=console.socket)
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as gateway:
        answers = [ask(gateway, b"{}", path="/appeals") for _ in range(KEYLESS_LIMIT.requests + 1)]
        assert [answer.status for answer in answers[:-1]] == [200] * KEYLESS_LIMIT.requests
        assert problem(answers[-1]) == (429, "rate-limited")
        assert "without a key, each address may send 10 requests per minute" in answers[-1].content["detail"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        for headers in ({"X-API-Key": SHOP.key}, with_cookie(SHOP, Origin=origin(gateway))):
            assert {ask(gateway, b"{}", path="/appeals", headers=headers).status for _ in range(15)} == {200}
        assert ask(gateway, None, method="GET", path="/appeals/7").status == 200  # those who wait may look
        assert ask(gateway, b"{}", path="/appeals/7").status == 200  # and withdraw
