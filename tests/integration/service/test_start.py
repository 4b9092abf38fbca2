"""The start of a service, before it accepts requests."""

import shutil
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from serving.gateway.config import GatewayConfig
from serving.ports import HOST, PortError, Ports
from serving.process import ServerError
from serving.service import Service
from serving.torchserve.runner import TorchServeRunner
from tests.integration.service.shopcat import probe

pytestmark = pytest.mark.integration


def test_during_the_start_probes_are_answered_and_the_ports_are_reserved() -> None:
    ports = Ports.any_free()
    statuses: list[int] = []

    def check_and_stop() -> list[Path]:
        """Called to archive the bundles, before TorchServe is started."""
        statuses.extend(probe(ports.metrics, path) for path in ("/livez", "/readyz"))
        for port in (ports.inference, ports.metrics):
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind((HOST, port))
        raise ServerError("checked")

    config = GatewayConfig(ports.inference, probes_port=ports.metrics)
    service = Service(config, check_and_stop, TorchServeRunner(workers=1))
    with pytest.raises(ServerError, match="checked"), service.running():
        pass
    assert statuses == [200, 503]


@pytest.mark.parametrize(("index", "option"), [(0, "--port"), (1, "--metrics-port")])
def test_a_port_in_use_is_named_before_an_archive_is_made(index: int, option: str) -> None:
    ports = Ports.any_free()
    taken = (ports.inference, ports.metrics)[index]

    def archive() -> list[Path]:
        raise AssertionError("an archive is made")

    service = Service(GatewayConfig(ports.inference, probes_port=ports.metrics), archive, TorchServeRunner(workers=1))
    with (
        socket.create_server((HOST, taken)),
        pytest.raises(PortError, match=f"port {taken} .*{option}"),
        service.running(),
    ):
        pass


def test_a_wrong_serve_command_writes_no_archive(demo_bundle: Path, tmp_path: Path) -> None:
    store, other = tmp_path / "store", tmp_path / "other"
    shutil.copytree(demo_bundle, other)
    ports = Ports.any_free()
    options = ["--port", str(ports.inference), "--model-store", str(store)]
    with socket.create_server((HOST, ports.inference)):
        for bundles, message in (
            ([other], f"port {ports.inference} "),
            ([demo_bundle, other], f"{demo_bundle} and {other} are both named 'sales'"),
            ([demo_bundle, tmp_path / "nowhere"], "nowhere is not a bundle"),
        ):
            result = CliRunner().invoke(main, ["serve", *map(str, bundles), *options])
            assert result.exit_code == 2
            assert message in result.output
            assert not store.exists()


def test_any_free_returns_two_free_ports() -> None:
    ports = Ports.any_free()
    assert ports.inference != ports.metrics
    ports.check_free()
    with socket.create_server((HOST, ports.metrics)), pytest.raises(PortError, match="--metrics-port"):
        ports.check_free()
