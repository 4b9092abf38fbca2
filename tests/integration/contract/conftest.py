"""A running service with both models, and an API key, that answers by the contract."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.settings import Options
from handlers.worker_settings import worker_environment
from runtime.receipts import make_key
from schemas.session import ROLES
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.gateway.keys import ApiKey
from serving.ports import Ports
from serving.service import Service
from tests.integration.gateway.helpers import constant
from tests.integration.runners.kinds import PYTHON, RunnerKind

ROOT = Path(__file__).parents[3]
KEY = "a-key-of-the-contract-tests"


@contextlib.contextmanager
def serving_both_models(runner: RunnerKind, store: Path) -> Iterator[GatewayConfig]:
    """Serve both models until the block ends, and yield the configuration of the gateway."""
    ports = Ports.any_free()
    keys = constant(ApiKey("tests", KEY, roles=ROLES))
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, keys=keys, **runner.gateway)
    bundles = [ROOT / "model_store" / name for name in ("demo", "pets")]
    key = store / "receipt.key"
    make_key(key)
    workers = runner.make(1, worker_environment(receipt_key=key))
    console = Options(data=store, gateway=config.url, keys=True, receipt_key=key).model_dump(mode="json")
    service = Service(config, lambda: [archive(bundle, store) for bundle in bundles], workers, console=console)
    with service.running():
        assert service.console is not None
        service.console.wait_until_started()
        yield config


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayConfig]:
    """Serve both models with the runner that starts sooner, and yield the configuration of the gateway."""
    with serving_both_models(PYTHON, tmp_path_factory.mktemp("store")) as config:
        yield config
