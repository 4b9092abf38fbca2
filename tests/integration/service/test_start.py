"""The start of a service, before it accepts requests."""

import socket
from pathlib import Path

import pytest

from serving.gateway.config import GatewayConfig
from serving.ports import HOST, PortError, Ports
from serving.process import ServerError
from serving.service import Service
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
    service = Service(config, check_and_stop, instances=1, workers=1)
    with pytest.raises(ServerError, match="checked"), service.running():
        pass
    assert statuses == [200, 503]


@pytest.mark.parametrize(("index", "option"), [(0, "--port"), (1, "--metrics-port")])
def test_a_port_in_use_is_named_before_an_archive_is_made(index: int, option: str) -> None:
    ports = Ports.any_free()
    taken = (ports.inference, ports.metrics)[index]

    def archive() -> list[Path]:
        raise AssertionError("an archive is made")

    service = Service(GatewayConfig(ports.inference, probes_port=ports.metrics), archive, instances=1, workers=1)
    with (
        socket.create_server((HOST, taken)),
        pytest.raises(PortError, match=f"port {taken} .*{option}"),
        service.running(),
    ):
        pass
