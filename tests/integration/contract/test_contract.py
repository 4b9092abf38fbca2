"""A running service against its contract, ``schemas/openapi.json``, with requests that schemathesis generates.

The requests are thousands, valid and invalid, and the same in every run. No answer is a 5xx. Every status, header and
body is in the contract, valid requests are accepted, and invalid ones are rejected.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.openapi import FILE
from serving.gateway.config import GatewayConfig
from tests.integration.contract.conftest import KEY

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
MIN_REQUESTS = 2000


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
