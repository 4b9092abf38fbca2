"""runtime.gpu.network: padded batches in fixed buffers, and calls of many threads as one batch.

The CPU's provider binds buffers as CUDA's does, so that only the CUDA graphs themselves need a GPU.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from runtime.gpu.network import FixedBatches, MergedCalls
from runtime.session import open_session

SIZES = (1, 4, 8)


@pytest.fixture
def session(tmp_path: Path) -> ort.InferenceSession:
    """A network that adds a number to the sum of each row, and returns both."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0),
            helper.make_node("Cast", ["number"], ["added"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["sum", "added"], ["y"]),
            helper.make_node("Identity", ["number"], ["same"]),
        ],
        "sums",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["row", 3]),
            helper.make_tensor_value_info("number", TensorProto.INT64, ["row"]),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["row"]),
            helper.make_tensor_value_info("same", TensorProto.INT64, ["row"]),
        ],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    return open_session(tmp_path / "model.onnx", "cpu")


def rows(n_rows: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 100, (n_rows, 3)).astype(np.float32), rng.integers(0, 100, n_rows)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5, 8, 9, 16, 21])
def test_batches_of_any_size_have_the_outputs_of_their_rows(session: ort.InferenceSession, n_rows: int) -> None:
    network = FixedBatches(session, "cpu", SIZES)
    x, number = rows(n_rows)
    y, same = network(x, number)
    assert y.tolist() == (x.sum(1) + number).tolist()
    assert same.tolist() == number.tolist()


def test_a_later_batch_leaves_earlier_outputs_alone(session: ort.InferenceSession) -> None:
    network = FixedBatches(session, "cpu", SIZES)
    first, second = rows(4, seed=1), rows(4, seed=2)
    y, _ = network(*first)
    network(*second)
    assert y.tolist() == (first[0].sum(1) + first[1]).tolist()


def test_other_number_formats_are_converted(session: ort.InferenceSession) -> None:
    x, number = rows(4)
    y, _ = FixedBatches(session, "cpu", SIZES)(x.astype(np.float64), number.astype(np.int32))
    assert y.tolist() == (x.sum(1) + number).tolist()


def test_only_the_sizes_run_and_each_has_its_own_graph(session: ort.InferenceSession) -> None:
    """CUDA graphs need the same shapes and addresses for the same number."""
    runs: list[tuple[int, list[Any], list[Any]]] = []

    class Recorded:
        def __getattr__(self, name: str) -> Any:
            return getattr(session, name)

        def run_with_iobinding(self, binding: ort.IOBinding, options: ort.RunOptions) -> None:
            outputs = binding.get_outputs()
            shapes = [value.shape() for value in outputs]
            runs.append((int(options.get_run_config_entry("gpu_graph_id")), shapes, [v.data_ptr() for v in outputs]))
            session.run_with_iobinding(binding, options)

    network = FixedBatches(Recorded(), "cpu", SIZES)  # type: ignore[arg-type]
    for n_rows in (1, 2, 4, 3, 8, 6, 19):
        network(*rows(n_rows))
    by_number = {number: (shapes, addresses) for number, shapes, addresses in runs}
    assert all(by_number[number] == (shapes, addresses) for number, shapes, addresses in runs)
    assert {number: shapes[0] for number, (shapes, _) in by_number.items()} == {1: [1], 2: [4], 3: [8]}
    assert [number for number, _, _ in runs] == [1, 2, 3, *(1, 2, 2, 2, 3, 3, 3, 3, 2)]


class Gated:
    """A network that squares numbers, holds its first batch until it may go on, and fails for negative numbers."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.threads: set[int] = set()
        self.started, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, x: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        self.batches.append(x.tolist())
        self.threads.add(threading.get_ident())
        self.started.set()
        assert self.may_go_on.wait(30)
        if (x < 0).any():
            raise ValueError(f"{x.min():g} is negative")
        return [x * x, -x]


def test_calls_that_wait_become_one_batch() -> None:
    network = Gated()
    merged = MergedCalls(lambda: network, 8)
    with ThreadPoolExecutor(7) as pool:
        first = pool.submit(merged, np.array([0.0]))
        assert network.started.wait(30)
        others = [pool.submit(merged, np.array([number, number + 0.5])) for number in (1.0, 2.0, 3.0, 4.0, 5.0)]
        while len(merged._waiting) < len(others):
            pass
        network.may_go_on.set()
        assert first.result()[0].tolist() == [0]
        for number, call in zip((1.0, 2.0, 3.0, 4.0, 5.0), others, strict=True):
            squares, negatives = call.result()
            assert squares.tolist() == [number**2, (number + 0.5) ** 2]
            assert negatives.tolist() == [-number, -number - 0.5]
    assert [len(batch) for batch in network.batches] == [1, 8, 2]
    assert len(network.threads) == 1
    assert threading.get_ident() not in network.threads


def test_only_the_calls_that_fail_alone_fail() -> None:
    network = Gated()
    merged = MergedCalls(lambda: network, 8)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(merged, np.array([0.0]))
        assert network.started.wait(30)
        calls = [pool.submit(merged, np.array([number])) for number in (2.0, -3.0, 4.0)]
        while len(merged._waiting) < len(calls):
            pass
        network.may_go_on.set()
        first.result()
        assert calls[0].result()[0].tolist() == [4]
        with pytest.raises(ValueError, match="-3 is negative"):
            calls[1].result()
        assert calls[2].result()[0].tolist() == [16]


def test_a_call_may_be_larger_than_a_batch() -> None:
    network = Gated()
    network.may_go_on.set()
    assert MergedCalls(lambda: network, 2)(np.arange(5.0))[0].tolist() == [0, 1, 4, 9, 16]


def test_a_network_that_cannot_be_made_is_the_callers_error() -> None:
    def fail() -> Gated:
        raise ValueError("no such device")

    with pytest.raises(ValueError, match="no such device"):
        MergedCalls(fail, 8)
