"""A real Prometheus scrapes a real service: every query in deploy/ finds data.

A misspelt name gives an empty panel, or an alert that never fires, without any error.
"""

import base64
import io
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from handlers.readiness import ready_workers
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.ports import HOST, Ports
from serving.service import Service
from tests.conftest import STORES
from tests.deploy.expressions import ALERTS, RECORDED, expressions, selectors
from tests.integration.client import ask
from tests.integration.prometheus import INTERVAL_S, Prometheus, running_prometheus
from tests.integration.runners.kinds import TORCHSERVE, RunnerKind

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DAY = {"store": 1, "date": "2015-08-05"}
SCRAPES = 5
N_REQUESTS = 15  # sent by `send_everything`

# A healthy service may have no data for these. OPTIONAL has prefixes of metrics, INCIDENTS has series.
# The service of these tests has no console, whose metrics tests/console checks.
CONSOLE = (
    "shopcat_accuracy",
    "shopcat_appeals",
    "shopcat_card",
    "shopcat_console_",
    "shopcat_feedback_",
    "shopcat_forecast_coverage",
    "shopcat_forecast_error",
    "shopcat_kept_photos",
    "shopcat_review",
)
OPTIONAL = {
    "shopcat_gpu_": "a GPU",
    "shopcat_refusals": "a request that a worker refused",
    **dict.fromkeys(CONSOLE, "the console"),
}
INCIDENTS = {
    'shopcat_requests_total{status=~"5.."}': "an answer with a 5xx",
    'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5", envoy_cluster_name!~"_.*"}': "an answer with a 5xx",
    "ALERTS": "an alert",
}


def optional_part(expression: str) -> str | None:
    """Return the part that an expression needs to find data, if a machine or a service may lack it."""
    return next((part for prefix, part in OPTIONAL.items() if prefix in expression), None)


def photo() -> bytes:
    """Return a JPEG without an animal."""
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(file, "JPEG")
    return file.getvalue()


def send_everything(server: Service) -> None:
    """Send each kind of request once: valid, doubtful, invalid, and with a heatmap."""
    weather = {"max_temperature": 90.0, "mean_temperature": 90.0}  # unused, and out of range
    for body, status in (
        (DAY, 200),
        ({**DAY, "weather": weather}, 200),
        ({**DAY, "date": "2016-07-01"}, 200),
        ({**DAY, "date": "2015-01-05"}, 200),
        ({"store": 1, "start": "2015-08-01", "days": 42}, 200),
        ({"items": [{**DAY, "store": store} for store in range(1, STORES + 1)]}, 200),
        ({"items": [DAY, {**DAY, "promo": "perhaps"}]}, 200),
        ({**DAY, "store": 987654}, 404),
        ({**DAY, "date": "never"}, 422),
        (b"nothing", 400),
    ):
        assert ask(server, body).status == status, body
    for method in ("none", "activation", "gradcam", "contrast"):
        assert ask(server, photo(), kind="image/jpeg", path=f"/predictions/pets?heatmap={method}").status == 200
    assert ask(server, {"image": base64.b64encode(b"no photo").decode()}, path="/predictions/pets").status >= 400


@pytest.fixture(scope="module")
def server(runner: RunnerKind, demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Service with both models and two workers for each."""
    store, ports = tmp_path_factory.mktemp("store"), Ports.any_free()
    bundles = (ROOT / "model_store" / "pets", demo_bundle)
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, **runner.gateway)
    service = Service(config, lambda: [archive(bundle, store) for bundle in bundles], runner.make(workers=2))
    with service.running():
        yield service


@pytest.fixture(scope="module")
def prometheus(
    server: Service, prometheus_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus that scrapes the server."""
    folder = tmp_path_factory.mktemp("prometheus")
    send_everything(server)  # before the first scrape, because a series that begins later has no increase
    with running_prometheus(prometheus_program, folder, server.config.probes_port) as running:
        yield running


@pytest.fixture(scope="module")
def moment(server: Service, prometheus: Prometheus) -> float:
    """Time at which all kinds of requests were answered and scraped; later the machine may be too busy."""
    scraped = f"sum_over_time(up[1h]) >= {SCRAPES} and min_over_time(up[{3 * INTERVAL_S}s]) == 1"
    deadline = time.monotonic() + 90
    while not prometheus.query(scraped, now := time.time()):
        send_everything(server)
        assert time.monotonic() < deadline, prometheus.ask("targets")
        time.sleep(0.5)
    return now


@pytest.mark.parametrize("selector", sorted(selectors()))
def test_every_selected_series_exists(runner: RunnerKind, prometheus: Prometheus, moment: float, selector: str) -> None:
    if selector.startswith("ts_") and runner is not TORCHSERVE:
        pytest.skip("a metric of TorchServe's front end")
    series = prometheus.query(selector, moment)
    needed = optional_part(selector) or INCIDENTS.get(selector) or INCIDENTS.get(selector.partition("{")[0])
    if needed and not series:
        pytest.skip(f"needs {needed}")
    assert series


@pytest.mark.parametrize("place", expressions())
def test_every_expression_returns_data(runner: RunnerKind, prometheus: Prometheus, moment: float, place: str) -> None:
    expression = expressions()[place]
    if re.search(r"\bts_", expression) and runner is not TORCHSERVE:
        pytest.skip("a metric of TorchServe's front end")
    series = prometheus.query(expression, moment)
    if not series and (needed := optional_part(expression)):
        pytest.skip(f"needs {needed}")
    assert series, expression


@pytest.mark.parametrize("name", [name for name in RECORDED if re.search("errors|slow", name)])
def test_objectives_cover_every_model(prometheus: Prometheus, moment: float, name: str) -> None:
    assert {series["metric"]["model"] for series in prometheus.query(name, moment)} == {"sales", "pets"}


def test_prometheus_evaluates_every_rule(prometheus: Prometheus, moment: float) -> None:
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {*ALERTS, *RECORDED}
    assert {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}


def test_a_healthy_server_causes_no_page(prometheus: Prometheus, moment: float) -> None:
    assert not prometheus.query('ALERTS{severity="page", alertname!~".*Latency.*"}', moment)  # the machine may be slow


def wait_for(prometheus: Prometheus, expression: str, value: float) -> None:
    """Wait until an expression has a value, for at most 30 s."""
    deadline = time.monotonic() + 30
    while [float(series["value"][1]) for series in prometheus.query(expression)] != [value]:
        assert time.monotonic() < deadline, prometheus.query(expression)
        time.sleep(0.2)


def test_every_request_is_counted_once_although_a_worker_dies(server: Service, prometheus: Prometheus) -> None:
    answered = "sum(shopcat_requests_total)"
    wait_for(prometheus, f"max(changes(shopcat_requests_total[{4 * INTERVAL_S}s]))", 0)
    before = float(prometheus.query(answered)[0]["value"][1])
    send_everything(server)
    wait_for(prometheus, answered, before + N_REQUESTS)
    worker = next(worker for worker in ready_workers(server.pool.shared.ready) if worker.model == "sales")
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(prometheus, 'changes(shopcat_worker_start_timestamp_seconds{model="sales"}[2m]) > bool 0', 1)
    wait_for(prometheus, 'shopcat_workers_ready{model="sales"}', 2)
    send_everything(server)
    wait_for(prometheus, answered, before + 2 * N_REQUESTS)
    assert {series["value"][1] for series in prometheus.query("resets(shopcat_requests_total[5m])")} == {"0"}


@pytest.fixture(scope="module")
def scraped(server: Service) -> str:
    """Text of /metrics."""
    send_everything(server)
    with urlopen(f"http://{HOST}:{server.config.probes_port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def test_promtool_accepts_shopcats_metrics(scraped: str, promtool: str) -> None:
    """Complaints about TorchServe's and Envoy's metrics do not count: Shopcat cannot rename them."""
    done = subprocess.run([promtool, "check", "metrics"], input=scraped, capture_output=True, text=True, check=False)
    complaints = (done.stdout + done.stderr).splitlines()
    assert done.returncode in (0, 3), complaints  # 3: promtool could read the metrics, and has complaints
    assert not [line for line in complaints if line.startswith("shopcat_")]


def test_the_docs_list_every_metric_with_its_labels(scraped: str) -> None:
    page, _, _ = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8").partition("## Gauges of an evaluation")
    listed = {
        name: {*re.findall(r"`(\w+)`", labels)}
        for name, labels in re.findall(r"^\| `(shopcat_\w+)` \|([^|]*)\|", page, re.MULTILINE)
    }
    exported = {
        sample.name.removesuffix("_count"): {*sample.labels}
        for family in text_string_to_metric_families(scraped)
        for sample in family.samples
        if sample.name.startswith("shopcat_") and not re.search("_(bucket|sum|created)$", sample.name)
    }
    always = {name: labels for name, labels in listed.items() if not name.startswith((*OPTIONAL,))}
    assert {name: labels for name, labels in exported.items() if not name.startswith((*OPTIONAL,))} == always
