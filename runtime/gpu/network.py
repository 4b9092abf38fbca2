"""A network on a GPU: waiting calls become one batch, in buffers that stay where they are.

`FixedBatches` allocates the buffers of a few batch sizes once, and pads each batch to one of them. onnxruntime then
captures a CUDA graph for each size: one launch in place of one for each operator. `MergedCalls` runs it on one thread,
because onnxruntime keeps captured graphs by thread, and lets many threads call it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from runtime.device import device_parts

PHOTO_SIZES = (1, 2, 4, 8, 16, 32)
ROW_SIZES = (1, 16, 64, 256, 1024, 4096)

Arrays = Sequence[NDArray[Any]]
Network = Callable[..., Arrays]

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
}


class _Buffers(NamedTuple):
    """Buffers of one batch size: those of the device, and host memory to pad a batch in."""

    inputs: list[ort.OrtValue]
    outputs: list[ort.OrtValue]
    padded: list[NDArray[Any]]
    binding: ort.IOBinding
    options: ort.RunOptions


class FixedBatches:
    """Network in batches of a few sizes. One thread may call it."""

    def __init__(self, session: ort.InferenceSession, device: str, sizes: Sequence[int]) -> None:
        """Allocate the buffers, and compute a batch of each size, so that no client waits for what is done once.

        Args:
            session: the network; only the first axis of its inputs and outputs varies.
            device: the session's device.
            sizes: numbers of rows, ascending.
        """
        self._session, self._device, self._sizes = session, device, sizes
        self._buffers = {size: self._allocate(size, number) for number, size in enumerate(sizes, start=1)}
        for size in sizes:
            self._compute(self._buffers[size].padded)

    def __call__(self, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the outputs for some rows; more rows than the largest size are several batches."""
        n_rows, largest = len(inputs[0]), self._sizes[-1]
        starts = range(0, max(n_rows, 1), largest)
        parts = [self._compute([array[start : start + largest] for array in inputs]) for start in starts]
        return [np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in zip(*parts, strict=True)]

    def _compute(self, inputs: Arrays) -> list[NDArray[Any]]:
        """Return the outputs for at most as many rows as the largest size has."""
        n_rows = len(inputs[0])
        size = next(size for size in self._sizes if size >= n_rows)
        buffers = self._buffers[size]
        for value, padded, array in zip(buffers.inputs, buffers.padded, inputs, strict=True):
            if n_rows < size or array.dtype != padded.dtype:
                padded[:n_rows] = array  # the other rows keep what they had; nobody reads their outputs
                array = padded
            value.update_inplace(array)
        self._session.run_with_iobinding(buffers.binding, buffers.options)
        return [value.numpy()[:n_rows].copy() for value in buffers.outputs]  # on a CPU, `numpy` copies nothing

    def _allocate(self, size: int, number: int) -> _Buffers:
        kind, index = device_parts(self._device)
        binding, options = self._session.io_binding(), ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", str(number))  # the CUDA graph of this size; 0 is reserved

        def values(parts: Sequence[Any]) -> list[ort.OrtValue]:
            return [
                ort.OrtValue.ortvalue_from_shape_and_type([size, *part.shape[1:]], _TYPES[part.type], kind, index)
                for part in parts
            ]

        inputs, outputs = values(self._session.get_inputs()), values(self._session.get_outputs())
        for part, value in zip(self._session.get_inputs(), inputs, strict=True):
            binding.bind_ortvalue_input(part.name, value)
        for part, value in zip(self._session.get_outputs(), outputs, strict=True):
            binding.bind_ortvalue_output(part.name, value)
        padded = [np.zeros([size, *part.shape[1:]], _TYPES[part.type]) for part in self._session.get_inputs()]
        return _Buffers(inputs, outputs, padded, binding, options)


class _Call(NamedTuple):
    inputs: Arrays
    outputs: "Future[Arrays]"


class MergedCalls:
    """Network for many threads: it runs on one thread, and calls that wait are one batch."""

    def __init__(self, make: Callable[[], Network], largest: int) -> None:
        """Make the network on its thread.

        Args:
            make: function that returns the network.
            largest: number of rows of the largest batch.
        """
        self._waiting: deque[_Call] = deque()
        self._largest = largest
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        try:
            self._network = self._thread.submit(make).result()
        except BaseException:
            self._thread.shutdown()
            raise

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        """Return the outputs for some rows; raise what the network raises for them."""
        call = _Call(inputs, Future())
        self._waiting.append(call)
        self._thread.submit(self._compute)  # the first takes all that waits, and the others find nothing
        return call.outputs.result()

    def _compute(self) -> None:
        """Compute the calls that wait, up to the largest batch."""
        calls, n_rows = list[_Call](), 0
        while self._waiting and (not calls or n_rows + len(self._waiting[0].inputs[0]) <= self._largest):
            calls.append(self._waiting.popleft())
            n_rows += len(calls[-1].inputs[0])
        if calls:
            self._answer(calls)

    def _answer(self, calls: Sequence[_Call]) -> None:
        try:
            if len(calls) == 1:
                calls[0].outputs.set_result(self._network(*calls[0].inputs))
                return
            merged = [np.concatenate(arrays) for arrays in zip(*(call.inputs for call in calls), strict=True)]
            ends = np.cumsum([len(call.inputs[0]) for call in calls])[:-1]
            outputs = [np.split(array, ends) for array in self._network(*merged)]
        except BaseException as error:
            if len(calls) == 1:
                calls[0].outputs.set_exception(error)
                return
            for call in calls:  # each alone, so that only those fail that would have failed alone
                self._answer([call])
            return
        for place, call in enumerate(calls):
            call.outputs.set_result([parts[place] for parts in outputs])
