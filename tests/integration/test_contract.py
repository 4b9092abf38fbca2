"""A running service against its contract, ``schemas/openapi.json``, with requests that schemathesis generates.

The requests are thousands, valid and invalid, and the same in every run. No answer is a 5xx. Every status, header and
body is in the contract, valid requests are accepted, and invalid ones are rejected.
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
MIN_REQUESTS = 2000


@pytest.fixture
def config(demo_bundle: Path, tmp_path: Path) -> Iterator[GatewayConfig]:
    """Serve both models, and yield the configuration of the gateway."""
    ports = Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics)
    bundles = (ROOT / "model_store" / "pets", demo_bundle)
    service = Service(config, lambda: [archive(bundle, tmp_path) for bundle in bundles], instances=1, workers=1)
    with service.running():
        yield config


def test_every_answer_follows_the_contract(config: GatewayConfig, tmp_path: Path) -> None:
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
    summary = json.loads(report.read_text())
    assert summary["operations"]["tested"] == summary["operations"]["total"]
    assert summary["test_cases"]["generated"] >= MIN_REQUESTS
    assert summary["test_cases"]["errored"] == 0
