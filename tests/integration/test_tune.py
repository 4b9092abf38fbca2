"""`shopcat tune` measures real services, and `shopcat serve` runs with what it found."""

import json
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from runtime.cores import n_cores
from serving.ports import HOST
from serving.tuning.tuned import Machine, Tuned, TunedModel
from tests.integration.runners.kinds import PYTHON
from tests.integration.service.shopcat import DAY, serving

pytestmark = pytest.mark.integration


def test_the_measured_settings_are_written_and_named(demo_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.yaml"
    arguments = ["--runner", "python", "--out", str(file), "--rounds", "1", "--seconds", "0.1"]
    result = CliRunner().invoke(main, ["tune", str(demo_bundle), *arguments])
    assert result.exit_code == 0, result.output
    tuned = Tuned.read(file)
    assert (tuned.runner, tuned.machine, set(tuned.models)) == ("python", Machine.here(), {"sales"})
    chosen = [line.split()[1:5] for line in result.output.splitlines() if line.startswith("*")]
    model = tuned.models["sales"]
    assert len(chosen) >= 2 if n_cores() > 1 else 1
    assert chosen[-1] == [
        str(count) for count in (model.workers, model.threads, tuned.gateway_threads, model.batch_size)
    ]
    assert f"--tuned {file}" in result.output


def test_a_service_has_the_tuned_settings(demo_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.yaml"
    model = TunedModel(workers=3, threads=1, batch_size=2, max_concurrent=5)
    Tuned(machine=Machine.here(), runner="python", gateway_threads=2, models={"sales": model}).write(file)
    with serving(demo_bundle, tmp_path, PYTHON, "--tuned", str(file)) as service:
        metrics = service.metrics()
        assert 'shopcat_workers_ready{model="sales"} 3.0' in metrics
        assert "envoy_server_concurrency{} 2" in metrics
        request = urllib.request.Request(f"http://{HOST}:{service.port}/predictions/sales", DAY)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["store"] == 1


def test_settings_for_another_runner_are_rejected(demo_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "tuned.yaml"
    Tuned(machine=Machine.here(), runner="torchserve", gateway_threads=1, models={}).write(file)
    arguments = ["serve", str(demo_bundle), "--runner", "python", "--tuned", str(file)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "was measured with --runner torchserve" in result.output
