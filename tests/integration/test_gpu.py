"""The service on a GPU: one worker for each, its answers and its metrics."""

import base64
import io
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from PIL import Image

import pets.network as pets_network
import sales.network as sales_network
from pets.classifier import Classifier
from pets.golden import TOLERANCES
from pets.images import open_photo
from sales.bundle import load
from sales.forecaster import Forecaster
from schemas.pets.request import PetRequest
from schemas.sales.parse import parse_request
from serving.archives.archive import archive
from serving.gateway.config import GatewayConfig
from serving.ports import HOST, Ports
from serving.service import Service
from serving.torchserve.server import Server, ServerError, running_server
from tests.integration.client import ask
from tests.integration.runners.kinds import RunnerKind, only_torchserve

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PETS = ROOT / "model_store" / "pets"
PHOTO = ROOT / "docs" / "heatmaps.jpg"


@pytest.fixture(scope="module")
def service(runner: RunnerKind, demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Both models, with as many workers as there are GPUs."""
    store, ports = tmp_path_factory.mktemp("store"), Ports.any_free()
    config = GatewayConfig(ports.inference, probes_port=ports.metrics, **runner.gateway)
    archives = [archive(bundle, store, gpu=True) for bundle in (demo_bundle, PETS)]
    service = Service(config, lambda: archives, runner.make(cpu=False))
    with service.running():
        yield service


@pytest.mark.gpu
def test_each_gpu_has_a_worker_of_each_model(service: Service) -> None:
    for model in ("sales", "pets"):
        assert sum(server.workers(model) for server in service.servers) == torch.cuda.device_count()


@only_torchserve
@pytest.mark.gpu
def test_torchserve_gives_each_worker_a_gpu(service: Service) -> None:
    (server,) = service.servers
    assert isinstance(server, Server)
    for model in ("sales", "pets"):
        workers = server.describe(model)["workers"]
        assert [worker["gpu"] for worker in workers] == [True] * torch.cuda.device_count()


@pytest.mark.gpu
def test_forecasts_and_their_explanations_are_a_cpus(service: Service, forecaster: Forecaster) -> None:
    body = {"store": 1, "start": "2015-08-01", "days": 42}
    (expected,) = forecaster.predict([parse_request(body)])
    found = ask(service, body)
    assert found.status == 200
    np.testing.assert_allclose(
        [item["sales"] for item in found.content["items"]], [item.sales for item in expected.items], rtol=1e-5
    )
    explained = ask(service, {"store": 1, "date": "2015-08-07"}, path="/explanations/sales").content
    logs = sum(group["log"] for group in explained["groups"])
    assert np.exp(logs) * explained["baseline"]["sales"] == pytest.approx(explained["sales"], rel=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["activation", "gradcam", "contrast"])
def test_a_breed_and_its_heatmap_are_a_cpus(service: Service, method: str) -> None:
    found = ask(service, PHOTO.read_bytes(), kind="image/jpeg", path=f"/predictions/pets?heatmap={method}")
    assert found.status == 200
    on_cpu = Classifier.load(PETS, exact=True)
    (expected,) = on_cpu.predict([on_cpu.prepare(PetRequest(image=PHOTO.read_bytes(), heatmap=method))])
    assert found.content["breed"] == expected.breed
    assert found.content["probability"] == pytest.approx(expected.probability, abs=1e-2)
    grid = np.asarray(expected.heatmap.grid)
    np.testing.assert_allclose(found.content["heatmap"]["grid"], grid, rtol=0, atol=1e-2 * np.abs(grid).max())
    picture = Image.open(io.BytesIO(base64.b64decode(found.content["heatmap"]["overlay"])))
    assert picture.format == "PNG"


@pytest.mark.gpu
def test_one_worker_answers_photos_on_threads(service: Service) -> None:
    """More requests than a batch has, among them a damaged one: each gets its own answer."""
    photos = [PHOTO.read_bytes()] * 80
    photos[7] = photos[7][: len(photos[7]) // 2]
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda photo: ask(service, photo, kind="image/jpeg", path="/predictions/pets"), photos))
    assert [answer.status for answer in found] == [200] * 7 + [422] + [200] * 72
    probabilities = [answer.content["probability"] for answer in found if answer.status == 200]
    np.testing.assert_allclose(probabilities, probabilities[0], rtol=0, atol=1e-2)
    assert len({answer.content["breed"] for answer in found if answer.status == 200}) == 1


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_half_precision_with_and_without_cuda_graphs_is_near_the_cpu(cuda_graphs: bool) -> None:
    on_cpu = Classifier.load(PETS, exact=True)
    network = pets_network.gpu_network(PETS, on_cpu.manifest.image, "cuda:0", cuda_graphs=cuda_graphs)
    photo = on_cpu.crop(open_photo(PHOTO.read_bytes()))[0]
    noise = np.random.default_rng(0).integers(0, 256, photo.shape, dtype=np.uint8)
    pixels = np.stack([photo, photo[:, ::-1], noise] * 15)
    for n_photos in (1, 2, 3, 31, 45):  # padded to 4 and 32, and more than the largest batch
        output = Classifier(on_cpu.manifest, network, precision="half").run_network(pixels[:n_photos])
        expected = on_cpu.run_network(pixels[:3][: min(n_photos, 3)])
        for name in ("logits", "activation", "gradcam"):
            theirs = getattr(expected, name)
            ours = getattr(output, name)[: len(theirs)]
            assert np.abs(ours - theirs).max() < TOLERANCES["half"] * np.abs(theirs).max()


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_trees_and_network_run_on_the_gpu(demo_bundle: Path, forecaster: Forecaster, cuda_graphs: bool) -> None:
    bundle = load(demo_bundle)
    on_gpu = Forecaster.of(bundle, sales_network.gpu_network(bundle, "cuda:0", cuda_graphs=cuda_graphs))
    on_gpu.verify(bundle)
    for days in (1, 42, 300):
        request = parse_request({"store": 1, "start": "2015-08-01", "days": days})
        ((ours,), (theirs,)) = on_gpu.predict([request]), forecaster.predict([request])
        np.testing.assert_allclose(
            [item.sales for item in ours.items], [item.sales for item in theirs.items], rtol=1e-5
        )


@pytest.mark.gpu
def test_a_gpu_needs_no_slower_way(demo_bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A fallback would be right but slow; its log line says what failed."""
    with caplog.at_level(logging.WARNING):
        assert Classifier.load(PETS, device="cuda:0").precision == "half"
        Forecaster.load(demo_bundle, device="cuda:0")
    assert not caplog.records


@pytest.mark.gpu
def test_metrics_include_every_gpu(service: Service) -> None:
    with urlopen(f"http://{HOST}:{service.config.probes_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    used = {line.split()[0]: float(line.split()[1]) for line in lines if line.startswith("shopcat_gpu_")}
    for gpu in range(torch.cuda.device_count()):
        assert used[f'shopcat_gpu_memory_used_bytes{{gpu="{gpu}"}}'] > 100e6
        assert 0 <= used[f'shopcat_gpu_utilization_ratio{{gpu="{gpu}"}}'] <= 1


@pytest.fixture
def useless_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with GPUs that no worker can use: TorchServe counts them by nvidia-smi."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf 'index\\n98\\n99\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the GPUs of this machine can be used")
def test_a_worker_that_cannot_use_its_gpu_does_not_fall_back_unnoticed(useless_gpus: None, archived: Path) -> None:
    with pytest.raises(ServerError, match=r"was to run on cuda:[01] .* compute on the CPU"), running_server([archived]):
        pass


def test_gpus_can_be_left_alone(useless_gpus: None, archived: Path) -> None:
    with running_server([archived], cpu=True) as server:
        workers = server.describe("sales")["workers"]
    assert [worker["gpu"] for worker in workers] == [False] * len(os.sched_getaffinity(0))
