"""Options of `shopcat serve` about the console: when it is on, and errors of each option."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli import main
from cli.service.console import ConsoleOptions, default_data
from runtime.errors import UserError
from serving.gateway.config import GatewayConfig

KEYS, CERTIFICATE = Path("keys.txt"), Path("cert.pem")


def options(**changed: Any) -> ConsoleOptions:
    """Return options, those that are not named as by default."""
    fields = dict.fromkeys(ConsoleOptions.__dataclass_fields__)
    fields |= {"host": "127.0.0.1", "no_gateway": False, "public_url": "", "database": "", "keep_for_review": False}
    return ConsoleOptions(
        **fields | {"data": Path("data"), "retention_days": 30, "second_opinions": 0.1, "appeal_days": 14} | changed
    )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"host": "::1"}, True),
        ({"console": False}, False),
        ({"no_gateway": True}, False),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "api_keys": KEYS}, False),
        ({"host": "0.0.0.0", "tls_cert": CERTIFICATE}, False),
        ({"host": "0.0.0.0", "api_keys": KEYS, "tls_cert": CERTIFICATE}, True),
        ({"host": "0.0.0.0", "api_keys": KEYS, "public_url": "https://shop.example"}, True),
        ({"host": "0.0.0.0", "public_url": "https://shop.example"}, False),
        ({"host": "0.0.0.0", "api_keys": KEYS, "public_url": "http://shop.example"}, False),
        ({"host": "0.0.0.0", "public_url": "http://127.0.0.1:8080"}, True),  # a container's published port
        ({"host": "0.0.0.0", "public_url": "http://localhost:8080"}, True),
    ],
)
def test_the_console_is_on_where_nobody_else_can_use_it_or_keys_and_tls_protect_it(
    changed: dict[str, Any], expected: bool
) -> None:
    assert options(**changed).has_console() == expected


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"console": True, "no_gateway": True}, "need the gateway: --console; leave out --no-gateway"),
        ({"console": True, "host": "0.0.0.0"}, r"--host 0\.0\.0\.0 needs --api-keys and --tls-cert.*--public-url"),
        ({"console": True, "host": "0.0.0.0", "api_keys": KEYS}, "needs --api-keys and --tls-cert"),
        ({"console": False, "database": "postgresql://x"}, "need the console: --database; leave out --no-console"),
        ({"no_gateway": True, "keep_for_review": True}, "console: --keep-for-review; leave out --no-gateway"),
        ({"host": "0.0.0.0", "database": "postgresql://x"}, "--database; set --api-keys and --tls-cert, or a loopback"),
    ],
)
def test_options_that_contradict_each_other_are_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        options(**changed).has_console()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--public-url", "shop.example"], "shop.example is not an address like https://"),
        (["--public-url", "https://shop.example/pages"], "without a path"),
        (["--public-url", "https://user@shop.example"], "is not an address"),
        (["--public-url", "https://shop.example:x"], "is not an address"),
        (["--public-url", "ftp://shop.example"], "is not an address"),
        (["--database", "mysql://:secret@db"], "not an address like postgresql://"),
        (["--retention-days", "0"], "0 is not in the range"),
        (["--receipt-key", "no/such/file"], "does not exist"),
    ],
)
def test_a_wrong_value_is_rejected(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["serve", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert "secret" not in result.output


def test_the_data_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "shopcat"
    settings = options(data=folder).console_settings(GatewayConfig(8081))
    assert settings is not None
    assert (settings["gateway"], settings["data"], settings["keys"]) == ("http://127.0.0.1:8081", str(folder), False)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_service_without_a_console_makes_no_folder(tmp_path: Path) -> None:
    assert options(console=False, data=tmp_path / "data").console_settings(GatewayConfig()) is None
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(UserError, match=r"--data /dev/null/x can't be used .*--no-console"):
        options(data=Path("/dev/null/x")).console_settings(GatewayConfig())


def test_the_data_folder_follows_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/state")
    assert default_data() == Path("/srv/state/shopcat")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/vet")
    assert default_data() == Path("/home/vet/.local/state/shopcat")
