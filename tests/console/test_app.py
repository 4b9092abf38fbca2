"""console: pages, sign-in, roles and errors, as they leave the process behind the gateway."""

import gzip
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from console.app import create_app
from console.identity import identity, require
from console.metrics import REGISTRY
from console.pages import read_assets
from console.settings import Settings
from console.storage import StorageError
from schemas.problems import Problem
from schemas.session import ROLES

ROOT = Path(__file__).parents[2]
HERE = "http://127.0.0.1:8080"
SHOP = {"x-shopcat-client": "shop", "x-shopcat-roles": "predict"}  # as the gateway sets them
ADMIN = {"x-shopcat-client": "boss", "x-shopcat-roles": ",".join(ROLES)}
PUBLIC = {  # addresses that need no key; nothing else is one
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/console/session"),
    ("POST", "/console/session"),  # there the key itself is checked
    ("DELETE", "/console/session"),
    ("GET", "/console/{name:path}"),
    ("POST", "/appeals"),  # with the receipt of an answer
    ("GET", "/appeals/{case}"),  # with the token of the appeal
    ("POST", "/appeals/{case}"),
}

Console = Callable[..., TestClient]


@pytest.fixture
def console(data: Path, tmp_path: Path) -> Console:
    """Make a client of a console with some settings."""

    def make(routes: list[Route] | None = None, **options: Any) -> TestClient:
        settings = Settings(**{"data": data, "gateway": HERE, "socket": tmp_path / "s", **options})
        app = create_app(settings)
        app.router.routes[:0] = routes or []
        return TestClient(app, base_url=settings.public_url or HERE, raise_server_exceptions=False)

    return make


def problem(response: Any) -> tuple[int, str]:
    """Check that a response is a problem, and return its status and kind."""
    assert response.headers["content-type"] == "application/problem+json"
    found = Problem.model_validate(response.json())
    assert found.status == response.status_code
    return found.status, found.type.rpartition(":")[2]


# Pages


def test_every_file_is_delivered_as_it_is(console: Console) -> None:
    client = console()
    for name, asset in read_assets().items():
        response = client.get(f"/console/{name}")
        assert response.status_code == 200
        assert response.content == asset.content
        assert client.head(f"/console/{name}").content == b""


def test_a_browser_may_use_only_what_this_host_delivers(console: Console) -> None:
    client = console()
    responses = [client.get(path) for path in ("/console/", "/console/none", "/console/session", "/none")]
    responses.append(client.post("/console/session", headers={"Origin": "http://evil.example"}))
    for response in responses:
        policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert not re.search(r"unsafe|https?:|data:|\*", response.headers["content-security-policy"])
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "server" not in response.headers


def test_a_file_that_has_not_changed_is_not_sent_again(console: Console) -> None:
    client = console()
    for encoding in ("gzip", "identity"):
        first = client.get("/console/", headers={"Accept-Encoding": encoding})
        assert first.headers["cache-control"] == "no-cache"
        tag = first.headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = client.get("/console/", headers={"Accept-Encoding": encoding, "If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get("/console/", headers={"If-None-Match": '"other"'}).status_code == 200


def test_text_is_compressed_for_whoever_can_read_it(console: Console) -> None:
    client = console()
    with client.stream("GET", "/console/console.css", headers={"Accept-Encoding": "gzip"}) as response:
        sent = b"".join(response.iter_raw())
        assert (response.headers["content-encoding"], response.headers["vary"]) == ("gzip", "accept-encoding")
    plain = client.get("/console/console.css", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(sent) == plain.content
    assert len(sent) < len(plain.content)
    assert plain.headers["etag"] != response.headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "shared/../../app.py",
        "/etc/passwd",
        "vendor/LICENSE",
        "shared",
        "a\0",
    ],
)
def test_no_other_file_can_be_reached(console: Console, path: str) -> None:
    """The gateway normalizes paths before; here they come as they are."""
    client = console()
    request = client.build_request("GET", "/console/")
    request.url = request.url.copy_with(raw_path=f"/console/{path}".replace("\0", "%00").encode())
    assert problem(client.send(request)) == (404, "not-found")


def test_pages_are_only_read(console: Console) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = console().request(method, "/console/")
        assert problem(response) == (405, "method-not-allowed")
        assert response.headers["allow"] == "GET, HEAD"


# Clients and roles


def test_every_address_but_those_of_the_pages_needs_a_key(console: Console) -> None:
    client = console(keys=True)
    assert isinstance(client.app, Starlette)
    tried = 0
    for route in client.app.routes:
        assert isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}:
            if (method, route.path) in PUBLIC:
                continue
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            assert problem(client.request(method, path)) == (401, "unauthorized"), (method, path)
            tried += 1
    assert tried


def test_without_keys_the_client_is_local_and_has_every_role(console: Console) -> None:
    session = console().get("/console/session", headers=SHOP)
    assert session.json() == {"client": "local", "roles": list(ROLES), "keys": False}


def test_a_browser_learns_who_it_is(console: Console) -> None:
    client = console(keys=True)
    assert client.get("/console/session").json() == {"client": None, "roles": [], "keys": True}
    assert client.get("/console/session", headers=SHOP).json() == {"client": "shop", "roles": ["predict"], "keys": True}


def test_a_role_is_required(console: Console) -> None:
    async def endpoint(request: Request) -> Response:
        require(request, "review")
        return Response(identity(request).client)

    client = console([Route("/review/x", endpoint)], keys=True)
    assert problem(client.get("/review/x")) == (401, "unauthorized")
    assert problem(client.get("/review/x", headers=SHOP)) == (403, "forbidden")
    assert client.get("/review/x", headers=ADMIN).text == "boss"
    unknown = {"x-shopcat-client": "x", "x-shopcat-roles": "reviewer,ADMIN, review"}
    assert problem(client.get("/review/x", headers=unknown)) == (403, "forbidden")


# Sign-in


@pytest.mark.parametrize(
    ("options", "name", "flags"),
    [
        ({}, "shopcat-key", {"HttpOnly", "Path=/", "SameSite=strict"}),
        (
            {"public_url": "https://shop.example"},
            "__Host-shopcat-key",
            {"HttpOnly", "Path=/", "SameSite=strict", "Secure"},
        ),
    ],
)
def test_a_key_becomes_a_cookie_that_no_script_and_no_other_site_has(
    console: Console, options: dict[str, str], name: str, flags: set[str]
) -> None:
    client = console(keys=True, **options)
    signed_in = client.post("/console/session", headers=SHOP | {"X-API-Key": 'a;key="with",marks'})
    assert signed_in.json()["client"] == "shop"
    cookie, *attributes = signed_in.headers["set-cookie"].split("; ")
    assert cookie == f"{name}=a%3Bkey%3D%22with%22%2Cmarks"
    assert {*attributes} == flags
    assert signed_in.headers["cache-control"] == "no-store"
    signed_out = client.delete("/console/session").headers["set-cookie"]
    assert signed_out.startswith(f'{name}=""')
    assert "Max-Age=0" in signed_out
    assert flags <= {*signed_out.split("; ")}


def test_a_key_that_the_gateway_does_not_know_sets_no_cookie(console: Console) -> None:
    rejected = console(keys=True).post("/console/session", headers={"X-API-Key": "no-key-of-this-service"})
    assert problem(rejected) == (401, "unauthorized")
    assert "set-cookie" not in rejected.headers


def test_without_keys_sign_in_sets_no_cookie(console: Console) -> None:
    response = console().post("/console/session", headers={"X-API-Key": "any"})
    assert (response.status_code, "set-cookie" in response.headers) == (200, False)


# Other sites


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:8080"])
def test_a_page_of_another_site_cannot_write(console: Console, origin: str) -> None:
    for method in ("POST", "DELETE"):
        assert problem(console().request(method, "/console/session", headers={"Origin": origin})) == (403, "forbidden")
    assert console().get("/console/session", headers={"Origin": origin}).status_code == 200
    assert console().post("/console/session", headers={"Origin": HERE}).status_code == 200


@pytest.mark.parametrize(
    ("options", "host", "is_known"),
    [
        ({}, "127.0.0.1:8080", True),
        ({}, "[::1]:8080", True),
        ({}, "LocalHost:8080", True),
        ({}, "evil.example:8080", False),
        ({}, "127.0.0.1.evil.example", False),
        ({}, "", False),
        ({"public_url": "http://shop.local:80"}, "shop.local:80", True),
        ({"public_url": "http://shop.local:80"}, "127.0.0.1:8080", False),
        ({"keys": True}, "shop.example", True),
    ],
)
def test_a_name_that_points_here_from_elsewhere_opens_nothing(
    console: Console, options: dict[str, Any], host: str, is_known: bool
) -> None:
    response = console(**options).get("/console/", headers={"Host": host})
    assert response.status_code == (200 if is_known else 403)


# Errors


def test_a_fault_is_a_problem_with_an_id_that_the_log_has(console: Console, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Request) -> Response:
        raise ZeroDivisionError("secret")

    with caplog.at_level(logging.ERROR):
        response = console([Route("/review/x", fail)]).get("/review/x", headers={"x-request-id": "mine"})
    assert problem(response) == (500, "internal-error")
    assert (response.json()["request_id"], "secret" in response.text) == ("mine", False)
    assert response.json()["error_id"] in caplog.text
    assert "ZeroDivisionError: secret" in caplog.text


def test_a_database_that_does_not_answer_is_unavailable(console: Console) -> None:
    def fail(_: Request) -> Response:
        raise StorageError("postgresql://db.example is down")

    response = console([Route("/review/x", fail)]).get("/review/x")
    assert problem(response) == (503, "unavailable")
    assert 1 <= int(response.headers["retry-after"]) <= 3
    assert "db.example" not in response.text


@pytest.mark.parametrize("path", ["/review/a%00b", "/feedback/a%00b", "/review?model=%00", "/appeals/a%00b"])
def test_an_address_with_a_nul_character_names_nothing(console: Console, path: str) -> None:
    answer = console().get(path)
    assert problem(answer) == (404, "not-found")
    assert "NUL" in answer.json()["detail"]


def test_an_unknown_address_is_a_problem(console: Console) -> None:
    assert problem(console().get("/nothing")) == (404, "not-found")


# Size


@pytest.mark.integration
def test_the_process_loads_neither_torch_nor_pandas_nor_scikit_learn(data: Path, tmp_path: Path) -> None:
    """List the modules that are loaded after the first requests, lazy imports included."""
    script = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
import console.__main__
from console.app import create_app
from console.settings import Settings

bundles = {"sales": Path("model_store/demo"), "pets": Path("model_store/pets")}
settings = Settings(data=sys.argv[1], gateway="http://127.0.0.1", socket="/none", bundles=bundles)
client = TestClient(create_app(settings), base_url="http://127.0.0.1")
assert client.get("/console/api/models").status_code == 200
assert client.post("/labels", json={"name": "Cats"}).status_code == 201
assert client.get("/labels/cats/photos").status_code == 200
print(*sorted(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script, data], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded >= {"console", "schemas", "starlette", "uvicorn"}
    heavy = {"torch", "pandas", "sklearn", "scipy", "onnxruntime"}
    assert not loaded & {*heavy, "training", "handlers", "serving", "cli", "psycopg"}


def test_requests_are_counted_by_section(console: Console) -> None:
    def count(section: str, status: str) -> float:
        return REGISTRY.get_sample_value("shopcat_console_requests_total", {"section": section, "status": status}) or 0

    before = count("console", "404"), count("other", "404")
    client = console()
    for path in ("/console/none", "/none/1", "/none/2"):
        client.get(path)
    assert (count("console", "404") - before[0], count("other", "404") - before[1]) == (1, 2)
    assert "shopcat_console_requests_total" in client.get("/metrics").text
