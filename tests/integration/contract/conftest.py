"""A running service with both models, and an API key, that answers by the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.gateway.config import GatewayConfig
from serving.gateway.keys import ApiKey
from serving.ports import Ports
from serving.service import Service
from serving.torchserve.archive import archive
from tests.integration.gateway.helpers import constant

ROOT = Path(__file__).parents[3]
KEY = "a-key-of-the-contract-tests"


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayConfig]:
    """Serve both models, and yield the configuration of the gateway."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, keys=constant(ApiKey("tests", KEY)))
    bundles, store = [ROOT / "model_store" / name for name in ("demo", "pets")], tmp_path_factory.mktemp("store")
    service = Service(config, lambda: [archive(bundle, store) for bundle in bundles], instances=1, workers=1)
    with service.running():
        yield config
