"""An onnxruntime session on a device that was checked, not assumed."""

from pathlib import Path

import onnxruntime as ort

from runtime.errors import UserError

_ERRORS = 3  # as onnxruntime counts: no warnings


class SessionError(UserError):
    """A network that can't be run on the device it was meant for."""


def open_session(network: Path, device: str, *, threads: int = 1) -> ort.InferenceSession:
    """Open an exported network.

    onnxruntime falls back to the CPU without an error when CUDA's libraries can't be loaded, and lists CUDA among
    its providers even then; so the session itself is asked what it runs on.

    Args:
        network: the ``.onnx`` file.
        device: ``cpu`` or ``cuda:N``.
        threads: threads within one operator on the CPU. One a worker is best when there are as many workers as
            cores; onnxruntime's own default is all cores for each worker.

    Raises:
        SessionError: if the file can't be read, or the session does not run on ``device``.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
    kind, _, index = device.partition(":")
    if kind == "cuda":
        # onnxruntime 1.31 warns that no plug-in has a CUDA device, whatever the session then runs on.
        ort.set_default_logger_severity(_ERRORS)
        ort.preload_dlls()  # finds the CUDA libraries that torch's wheels carry
        # Without TF32, onnxruntime's default, which leaves a product's factors 10 bits: what is served is what training
        # computed, and golden rows come out.
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": index or "0", "use_tf32": "0"}))
    try:
        session = ort.InferenceSession(str(network), options, providers=providers)
    except Exception as error:  # onnxruntime's own exception classes are not public
        raise SessionError(f"{network} can't be opened by onnxruntime {ort.__version__}: {error}") from error
    actual = session.get_providers()[0]
    if (actual == "CUDAExecutionProvider") != (kind == "cuda"):
        raise SessionError(
            f"{network} was to run on {device} and onnxruntime {ort.__version__} chose {actual}; "
            "check that the CUDA and cuDNN libraries match, or compute on the CPU (--device cpu; shopcat serve --cpu)"
        )
    return session
