"""sales.network: the network and its trees as a GPU runs them, here on the CPU's provider."""

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from runtime.errors import SessionError
from sales import network
from sales.bundle import Bundle, load
from sales.forecaster import Forecaster
from sales.network import gpu_network, networks
from sales.preprocess import Run
from schemas.sales.parse import parse_request
from tests.pets.fake_classifier import BUNDLE as PETS

DEMO = PETS.with_name("demo")
BODY = {"store": 1, "start": "2015-08-22", "days": 42}


@pytest.fixture(scope="module")
def demo() -> Bundle:
    return load(DEMO)


@pytest.fixture(scope="module")
def bound(demo: Bundle) -> Run:
    return gpu_network(demo, "cpu", cuda_graphs=False)


def sales(forecaster: Forecaster, **changes: Any) -> list[float]:
    (answer,) = forecaster.predict([parse_request({**BODY, **changes})])
    return [item.sales for item in answer.items]


def test_forecasts_equal_those_of_the_bundles_graph(demo: Bundle, bound: Run) -> None:
    on_gpu = Forecaster.of(demo, bound)
    on_gpu.verify(demo)
    stores = demo.panel.store_ids[:3]
    on_cpu = Forecaster.load(DEMO)
    for store in stores:
        np.testing.assert_allclose(sales(on_gpu, store=store), sales(on_cpu, store=store), rtol=1e-5)


def test_requests_of_many_threads_get_their_own_forecasts(demo: Bundle, bound: Run) -> None:
    forecaster, stores = Forecaster.of(demo, bound), demo.panel.store_ids[:6]
    expected = [sales(forecaster, store=store) for store in stores]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda store: sales(Forecaster.of(demo, bound), store=store), stores))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_gpu_that_cannot_run_the_trees_runs_the_bundles_graph(
    demo: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, cuda_graphs: bool) -> Run:
        raise SessionError(f"no kernel, {cuda_graphs}")

    original = network.onnx_network
    monkeypatch.setattr(network, "gpu_network", fail)
    monkeypatch.setattr(network, "onnx_network", lambda bundle, _device, threads: original(bundle, "cpu", threads))
    with caplog.at_level(logging.WARNING):
        forecaster = Forecaster.load(DEMO, device="cuda:0")
    assert sales(forecaster) == sales(Forecaster.load(DEMO))
    for text in ("no kernel, True", "no kernel, False"):
        assert text in caplog.text


def test_wrong_forecasts_are_not_served(monkeypatch: pytest.MonkeyPatch, bound: Run) -> None:
    original = network.onnx_network
    monkeypatch.setattr(
        network, "gpu_network", lambda *_, cuda_graphs: lambda cats, conts: bound(cats, conts) + np.float32(1e-3)
    )
    monkeypatch.setattr(network, "onnx_network", lambda bundle, _device, threads: original(bundle, "cpu", threads))
    assert sales(Forecaster.load(DEMO, device="cuda:0")) == sales(Forecaster.load(DEMO))


def test_a_cpu_has_one_way(demo: Bundle) -> None:
    assert len(networks(demo, "cpu", 1)) == 1
