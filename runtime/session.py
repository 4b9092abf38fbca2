"""onnxruntime session whose actual device is verified."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from runtime.device import device_parts
from runtime.errors import SessionError

# Flags of x86 processors that multiply and add 8-bit integers in one instruction. Others, among them those of ARM, were
# not measured. Without the instruction, onnxruntime's sums of two products can overflow.
_INTEGER_PRODUCTS = {"avx512_vnni", "avx_vnni"}
CUDA_GRAPHS = {"enable_cuda_graph": "1"}  # one launch for a batch; the buffers must stay where they are
# Channels last, as tensor cores read them, and convolutions chosen by cuDNN's estimate: to measure them all, which is
# onnxruntime's default, takes 2 s for each size of a batch (measured on an H100).
TENSOR_CORES = {"prefer_nhwc": "1", "cudnn_conv_algo_search": "HEURISTIC"}
_ERRORS = 3  # onnxruntime's log level without warnings


def int8_is_fast(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return True if onnxruntime computes faster in 8 bits than in single precision on this processor.

    Args:
        cpuinfo: Linux's description of the processors.
    """
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return not _INTEGER_PRODUCTS.isdisjoint(flags)


def open_session(
    network: Path,
    device: str,
    *,
    threads: int = 1,
    content: bytes | None = None,
    cuda_options: Mapping[str, str] = {},
) -> ort.InferenceSession:
    """Open an exported network.

    onnxruntime falls back to the CPU without an error when it can't load CUDA's libraries, and lists CUDA among the
    available providers even then. This function therefore asks the session itself for its provider.

    Args:
        network: the ``.onnx`` file.
        device: ``cpu`` or ``cuda:N``.
        threads: threads within one operator on the CPU; 0 means all cores. With as many workers as cores, 1 is best.
        content: a graph made from the file, to open in its place.
        cuda_options: further options of onnxruntime's CUDA provider.

    Raises:
        SessionError: if the file can't be read, or the session does not run on ``device``.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
    kind, index = device_parts(device)
    if kind == "cuda":
        # onnxruntime 1.31 always warns that no plug-in has a CUDA device, also when the session then uses one.
        ort.set_default_logger_severity(_ERRORS)
        ort.preload_dlls()  # finds the CUDA libraries in torch's wheels
        # Without TF32, onnxruntime's default, which keeps 10 bits of each factor: serving must reproduce the outputs of
        # training, and so the golden rows.
        # Let onnxruntime take only the GPU memory that it needs. By default it takes twice as much each time, and never
        # returns it, so that the first workers on a GPU would leave too little for the others.
        cuda = {"device_id": str(index), "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
        providers.insert(0, ("CUDAExecutionProvider", {**cuda, **cuda_options}))
    try:
        session = ort.InferenceSession(content or str(network), options, providers=providers)
    except Exception as error:  # onnxruntime's own exception classes are not public
        raise SessionError(f"{network} can't be opened by onnxruntime {ort.__version__}: {error}") from error
    actual = session.get_providers()[0]
    if (actual == "CUDAExecutionProvider") != (kind == "cuda"):
        raise SessionError(
            f"{network} was to run on {device} and onnxruntime {ort.__version__} chose {actual}; "
            "check that the CUDA and cuDNN libraries match, or compute on the CPU (--device cpu; shopcat serve --cpu)"
        )
    return session
