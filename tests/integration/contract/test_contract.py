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
from tests.integration.contract.conftest import KEY, serving_both_models
from tests.integration.runners.kinds import RunnerKind

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
MIN_REQUESTS = 2000


@pytest.fixture(scope="module")
def config(runner: RunnerKind, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayConfig]:
    """Serve both models with each runner, and yield the configuration of the gateway."""
    with serving_both_models(runner, tmp_path_factory.mktemp("store")) as config:
        yield config


def test_every_answer_follows_the_contract(config: GatewayConfig, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", FOLDER / "schemathesis.toml"),
        *("run", FILE, "--url", config.url, "--header", f"X-API-Key: {KEY}", "--no-color"),
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
