"""A real Triton loads exported bundles and answers as the project's own predictors do.

The server is that of the wheel nvidia-pytriton, in a separate environment: ``make .venv/.triton``.
"""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from benchmarks.servers import triton
from benchmarks.servers.triton import infer_bodies, tritonserver
from benchmarks.table.sales import one_day
from pets.classifier import Classifier
from runtime.bundle import GOLDEN, MANIFEST
from sales.forecaster import Forecaster
from schemas.pets.answer import Prediction
from schemas.pets.request import PetRequest
from schemas.sales.answer import Forecasts
from schemas.sales.parse import parse_request
from serving.ports import Ports
from serving.triton.export import CONFIG, export
from tests.integration.triton.requests import answer, infer, infer_photos
from tests.integration.waiting import until

ROOT = Path(__file__).parents[3]
DEMO, PETS = ROOT / "model_store" / "demo", ROOT / "model_store" / "pets"
CAT = (ROOT / "docs" / "cat.jpg").read_bytes()

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(triton.packages() is None, reason="Triton is not installed; see make test-cluster"),
]


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    return Forecaster.load(DEMO)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both models. Requests for forecasts wait for others, so that a test sees batches."""
    folder = tmp_path_factory.mktemp("repository")
    for bundle in (DEMO, PETS):
        config = export(bundle, folder, instances=2, environment=str(triton.ENVIRONMENT)) / CONFIG
        delay = "dynamic_batching { max_queue_delay_microseconds: 50000 }"
        config.write_text(config.read_text().replace("dynamic_batching { }", delay))
    return folder


@pytest.fixture(scope="module")
def grpc_port() -> int:
    return Ports.any_free().inference


@pytest.fixture(scope="module")
def url(repository: Path, grpc_port: int) -> Iterator[str]:
    with tritonserver(
        repository, "--allow-grpc=true", "--grpc-address=127.0.0.1", f"--grpc-port={grpc_port}"
    ) as address:
        yield address


def columns(items: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return items as columns; a flag that an item does not state is -1, a holiday is empty."""
    flags = {name: [int(item.get(name, -1)) for item in items] for name in ("open", "promo", "school_holiday")}
    return {
        "store": [item["store"] for item in items],
        "date": [item["date"] for item in items],
        **flags,
        "state_holiday": [item.get("state_holiday", "") for item in items],
    }


def expected(forecaster: Forecaster, items: Sequence[dict[str, Any]]) -> list[float]:
    (forecasts,) = forecaster.predict([parse_request({"items": items})])
    assert isinstance(forecasts, Forecasts)
    return [item.sales for item in forecasts.items]


def processes() -> list[psutil.Process]:
    """Return the processes of models' instances, in all servers that this process has started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            if process.name().startswith("triton_python"):
                found.append(process)
    return found


def test_models_are_ready_and_describe_themselves(url: str, repository: Path) -> None:
    assert httpx.get(f"{url}/v2/health/ready").status_code == 200
    for name in ("sales", "pets"):
        assert httpx.get(f"{url}/v2/models/{name}/ready").status_code == 200
        about = httpx.get(f"{url}/v2/models/{name}").json()
        assert (about["name"], about["platform"], about["versions"]) == (name, "python", ["1"])
        config = httpx.get(f"{url}/v2/models/{name}/config").json()
        assert [(group["kind"], group["count"]) for group in config["instance_group"]] == [("KIND_CPU", 2)]
        version = json.loads((repository / name / "1" / "bundle" / MANIFEST).read_bytes())["version"]
        assert config["parameters"]["bundle_version"] == {"string_value": version}
    tensors = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in about["outputs"]}
    assert tensors["probabilities"] == ("FP32", [-1, 37])
    assert tensors["heatmap"] == ("FP32", [-1, 9, 9])
    assert len(processes()) == 4


def test_golden_rows_in_batches_have_our_forecasts(url: str, forecaster: Forecaster) -> None:
    """All rows are sent at once, each as its own request, until Triton has computed some together."""
    rows = json.loads((DEMO / GOLDEN).read_text(encoding="utf-8"))
    items = [{name: value for name, value in row.items() if name != "sales"} for row in rows]

    def are_answered_together() -> bool:
        outputs = [answer(found) for found in pool.map(lambda item: infer(url, "sales", columns([item])), items)]
        sales = [output["sales"][0] for output in outputs]
        assert sales == pytest.approx([row["sales"] for row in rows], rel=1e-4)
        assert sales == pytest.approx([expected(forecaster, [item])[0] for item in items], rel=1e-5)
        assert {output["problem"][0] for output in outputs} == {""}
        (stats,) = httpx.get(f"{url}/v2/models/sales/stats").json()["model_stats"]
        return any(batch["batch_size"] > 1 for batch in stats["batch_stats"])

    with ThreadPoolExecutor(16) as pool:
        assert until(are_answered_together, 60)


def test_the_items_of_a_request_are_one_plan(url: str, forecaster: Forecaster) -> None:
    days = [{"store": 4, "date": f"2015-08-{day:02}"} for day in range(1, 15)]
    plan = [*days[:6], {**days[6], "state_holiday": "a", "open": False, "promo": True}, *days[7:]]
    with ThreadPoolExecutor(2) as pool:
        changed, plain = (answer(found) for found in pool.map(lambda i: infer(url, "sales", columns(i)), (plan, days)))
    assert changed["sales"] == pytest.approx(expected(forecaster, plan), rel=1e-5)
    assert plain["sales"] == pytest.approx(expected(forecaster, days), rel=1e-5)
    neighbours = np.arange(14) != 6
    assert (np.abs(np.array(changed["sales"]) - plain["sales"])[neighbours] > 1).any()


def test_a_bad_item_harms_no_other(url: str, forecaster: Forecaster) -> None:
    good = {"store": 1, "date": "2015-08-03", "promo": True}
    bad = [
        {**good, "store": 999_999},
        {**good, "date": "tomorrow"},
        {**good, "promo": 2},
        {**good, "date": "1999-01-01"},
    ]
    items = [item for faulty in bad for item in (faulty, good)]
    with ThreadPoolExecutor(8) as pool:
        requests = [items, [good], bad, [bad[0]], items, [good]]
        outputs = [answer(found) for found in pool.map(lambda i: infer(url, "sales", columns(i)), requests)]
    (sales,) = expected(forecaster, [good])
    for request, output in zip(requests, outputs, strict=True):
        assert output["sales"] == pytest.approx([sales if item is good else -1 for item in request], rel=1e-5)
        assert [text == "" for text in output["problem"]] == [item is good for item in request]
    kinds = [json.loads(text)["type"].rpartition(":")[2] for text in outputs[2]["problem"]]
    assert kinds == ["unknown-store", "invalid-request", "invalid-request", "outside-calendar"]


def test_photos_have_our_breeds(url: str) -> None:
    photos = [CAT, *(base64.b64decode(row["png"]) for row in json.loads((PETS / GOLDEN).read_bytes()))]
    classifier = Classifier.load(PETS)
    requests = [PetRequest(image=photo, heatmap="gradcam", overlay="none") for photo in photos]
    answers = classifier.predict([classifier.prepare(request) for request in requests])
    outputs = infer_photos(url, "pets", photos)
    predictions = [found for found in answers if isinstance(found, Prediction)]
    assert len(predictions) == len(photos)
    assert outputs["breed"] == [found.breed for found in predictions]
    assert outputs["decision"] == [found.decision for found in predictions]
    assert outputs["known"] == [found.known for found in predictions]
    assert outputs["probability"] == pytest.approx([found.probability for found in predictions], abs=1e-3)
    heatmaps = np.array(outputs["heatmap"]).reshape(len(photos), 9, 9)
    ours = np.array([found.heatmap.grid for found in predictions if found.heatmap])
    assert np.abs(heatmaps - ours).max() < 0.01 * np.abs(ours).max()


def test_bad_photos_harm_no_other_and_classes_have_names(url: str) -> None:
    """Triton's classification extension names the most probable classes."""
    photos = ["hello", base64.b64encode(CAT).decode(), "", base64.b64encode(CAT[:3000]).decode()]
    outputs = [{"name": "probabilities", "parameters": {"classification": 2}}, {"name": "breed"}, {"name": "problem"}]
    found = answer(infer(url, "pets", {"image": photos}, outputs))
    assert found["breed"] == ["", "Bengal", "", ""]
    assert [label.split(":")[2] for label in found["probabilities"][2:4]] == ["Bengal", "Abyssinian"]
    kinds = [json.loads(text)["type"].rpartition(":")[2] for text in found["problem"] if text]
    assert kinds == ["not-an-image", "malformed-request", "damaged-image"]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tritons_own_client_is_answered(url: str, grpc_port: int, protocol: str, forecaster: Forecaster) -> None:
    address = {"http": url.removeprefix("http://"), "grpc": f"127.0.0.1:{grpc_port}"}[protocol]
    script, photo = Path(__file__).with_name("client.py"), ROOT / "docs" / "cat.jpg"
    command = [triton.ENVIRONMENT / "bin" / "python", script, protocol, address, photo]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    items = [{"store": 1, "date": "2015-08-07", "promo": True}, {"store": 2, "date": "2015-08-07"}]
    found = json.loads(done.stdout)
    assert found["sales"] == pytest.approx(expected(forecaster, items), rel=1e-5)
    assert found["breed"] == "Bengal"


def test_triton_rejects_requests_that_do_not_fit_the_tensors(url: str) -> None:
    too_many = infer(url, "sales", {"store": [1] * 1001, "date": ["2015-08-01"] * 1001})
    incomplete = infer(url, "sales", {"store": [1]})
    assert (too_many.status_code, incomplete.status_code) == (400, 400)
    assert "must be <= 1000" in too_many.json()["error"]
    assert "date" in incomplete.json()["error"]


def test_the_requests_of_benchmarks_are_answered(url: str, forecaster: Forecaster) -> None:
    bodies = one_day(DEMO)[:3]
    for body, request in zip(bodies, infer_bodies(bodies), strict=True):
        headers = {**triton.HEADERS, "Content-Type": triton.CONTENT_TYPE}
        response = httpx.post(f"{url}/v2/models/sales/infer", content=request, headers=headers)
        size = int(response.headers["Inference-Header-Content-Length"])
        assert json.loads(response.content[:size])["outputs"][0]["name"] == "sales"
        (sales,) = np.frombuffer(response.content[size : size + 8])
        assert sales == pytest.approx(expected(forecaster, [json.loads(body)])[0], rel=1e-5)


@pytest.mark.parametrize("place", [0, 1])
def test_the_guides_requests_have_its_answers(url: str, place: int) -> None:
    guide = (ROOT / "docs" / "guides" / "engines" / "triton.md").read_text(encoding="utf-8")
    command = re.findall(r"<!-- triton -->\n```sh\n(.*?)```", guide, re.DOTALL)[place]
    expected = re.findall(r"<!-- triton answer -->\n```json\n(.*?)```", guide, re.DOTALL)[place]
    command = command.replace("http://127.0.0.1:8000", url)
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout) == json.loads(expected)


def control(url: str, action: str) -> httpx.Response:
    """Load or unload the sales model of a server in explicit mode."""
    return httpx.post(f"{url}/v2/repository/models/sales/{action}", json={}, timeout=60)


def ready(url: str) -> bool:
    return httpx.get(f"{url}/v2/models/sales/ready").status_code == 200


def one_forecast(url: str) -> httpx.Response:
    return infer(url, "sales", {"store": [1], "date": ["2015-08-01"]})


def test_a_model_is_loaded_replaced_and_unloaded(tmp_path: Path) -> None:
    """No request fails while another export takes a model's place."""
    before, stopped = len(processes()), threading.Event()
    export(DEMO, tmp_path, environment=str(triton.ENVIRONMENT))
    with tritonserver(tmp_path, "--model-control-mode=explicit") as url, ThreadPoolExecutor(1) as pool:
        assert not ready(url)
        assert control(url, "load").status_code == 200
        assert ready(url)
        assert len(processes()) == before + 1

        def ask() -> list[float]:
            sales = []
            while not stopped.is_set():
                sales += answer(one_forecast(url))["sales"]
            return sales

        asked = pool.submit(ask)
        try:
            export(DEMO, tmp_path, instances=2, environment=str(triton.ENVIRONMENT), replace=True)
            assert control(url, "load").status_code == 200
            assert wait_for_instances(before + 2)
        finally:
            stopped.set()
        sales = asked.result()
        assert len(sales) > 0
        assert sales == pytest.approx([9695.153] * len(sales))
        assert control(url, "unload").status_code == 200
        assert wait_for_instances(before)
        assert not ready(url)


def test_a_model_that_cannot_answer_is_not_loaded(tmp_path: Path) -> None:
    """The answer says why, and the old model goes on."""
    model = export(DEMO, tmp_path, environment=str(triton.ENVIRONMENT))
    with tritonserver(tmp_path, "--model-control-mode=explicit", "--load-model=sales") as url:
        shutil.copyfile(model / "1" / "bundle" / MANIFEST, model / "1" / "bundle" / "model.onnx")
        damaged = control(url, "load")
        assert damaged.status_code == 400
        assert "changed since: model.onnx" in damaged.json()["error"]
        export(DEMO, tmp_path, environment=str(ROOT / ".venv"), replace=True)
        unreadable = control(url, "load")
        assert unreadable.status_code == 400
        assert "can't read arrays of numpy 2" in unreadable.json()["error"]
        assert ready(url)
        assert answer(one_forecast(url))["sales"] == pytest.approx([9695.153])


def test_a_dead_instance_is_back_after_a_load(tmp_path: Path) -> None:
    """Triton does not start it again, as the guide says."""
    export(DEMO, tmp_path, instances=2, environment=str(triton.ENVIRONMENT))
    others = {*processes()}
    with tritonserver(tmp_path, "--model-control-mode=explicit", "--load-model=sales") as url:

        def statuses() -> list[int]:
            return [one_forecast(url).status_code for _ in range(6)]

        assert statuses() == [200] * 6
        first, _ = {*processes()} - others
        first.kill()
        assert until(lambda: {*statuses()} == {200, 500}, 60)  # Triton notices that an instance is dead
        assert ready(url)
        assert control(url, "load").status_code == 200
        assert statuses() == [200] * 6


def wait_for_instances(number: int) -> bool:
    """Wait until this number of instances runs; Triton ends old ones after it has answered."""
    return until(lambda: len(processes()) == number, 60)
