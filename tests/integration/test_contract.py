"""The contract, ``schemas/openapi.json``, against a running server: requests that schemathesis makes of it.

Thousands, valid and not, always the same ones. No answer is a 5xx or has a status, a header or a body that the contract
does not have; what the contract takes is taken, and what it does not is refused.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.openapi import FILE
from serving.gateway.config import GatewayConfig
from serving.ports import Ports
from serving.service import Service
from serving.torchserve.archive import archive

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
LEAST = 2000  # requests


@pytest.fixture
def config(demo_bundle: Path, tmp_path: Path) -> Iterator[GatewayConfig]:
    """The gateway of a service with both models."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics)
    bundles = (ROOT / "model_store" / "pets", demo_bundle)
    service = Service(config, lambda: [archive(bundle, tmp_path) for bundle in bundles], instances=1, workers=1)
    with service.running():
        yield config


def test_every_answer_is_the_contracts(config: GatewayConfig, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", ROOT / "tests/integration/schemathesis.toml"),
        *("run", FILE, "--url", config.url, "--no-color"),
        *("--report", "json", "--report-json-path", report),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    told = json.loads(report.read_text())
    assert told["operations"]["tested"] == told["operations"]["total"]
    assert told["test_cases"]["generated"] >= LEAST
    assert told["test_cases"]["errored"] == 0
