"""The exported sales network, ready to run."""

from collections.abc import Callable
from functools import partial

from runtime.bundle import NETWORK
from runtime.gpu.graphs import row_graph
from runtime.gpu.network import ROW_SIZES, FixedBatches, MergedCalls
from runtime.session import CUDA_GRAPHS, open_session
from sales.arrays import Float32, Int32
from sales.bundle import Bundle
from sales.preprocess import Prepared, Run


def networks(bundle: Bundle, device: str, threads: int) -> list[Callable[[], Run]]:
    """Return functions that make the bundle's network for a device, from the fastest network to the safest."""
    last = partial(onnx_network, bundle, device, threads)
    if device == "cpu":
        return [last]
    return [*(partial(gpu_network, bundle, device, cuda_graphs=cuda_graphs) for cuda_graphs in (True, False)), last]


def onnx_network(bundle: Bundle, device: str, threads: int) -> Run:
    """Return the bundle's exported network, running on a device."""
    session = open_session(bundle.folder / NETWORK, device, threads=threads)

    def run(cats: Int32, conts: Float32) -> Float32:
        log_sales: Float32 = session.run(None, Prepared(cats, conts)._asdict())[0]
        return log_sales

    return run


def gpu_network(bundle: Bundle, device: str, *, cuda_graphs: bool) -> Run:
    """Return the bundle's network with its trees on a GPU, for many threads.

    Args:
        bundle: the bundle.
        device: ``cuda:N``; tests use ``cpu``.
        cuda_graphs: capture a CUDA graph for each size of a batch.

    Raises:
        SessionError: if the graph can't be made or can't run on the device.
    """
    file = bundle.folder / NETWORK
    content = row_graph(file)

    def make() -> FixedBatches:
        session = open_session(file, device, content=content, cuda_options=CUDA_GRAPHS if cuda_graphs else {})
        return FixedBatches(session, device, ROW_SIZES)

    network = MergedCalls(make, ROW_SIZES[-1])
    return lambda cats, conts: network(cats, conts)[0]
