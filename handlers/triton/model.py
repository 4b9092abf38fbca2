"""The model that Triton's Python backend loads into each of its processes, for every kind of bundle."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handlers.triton.kinds import BUNDLE, TRITON_MODELS
from handlers.triton.tensors import Arrays, Tensor, TritonModel
from runtime.bundle import kind_of

logger = logging.getLogger(__name__)


class TritonPythonModel:
    """Model of an exported repository.

    Attributes:
        model: the loaded model.
        backend: Triton's own module, which exists only inside Triton.
    """

    model: TritonModel
    backend: Any

    def initialize(self, args: dict[str, str]) -> None:
        """Load the bundle; raise `BundleError` if this machine computes other golden rows than training did.

        Args:
            args: Triton's arguments, such as the folder of the model and its version.
        """
        import triton_python_backend_utils

        self.backend = triton_python_backend_utils
        self._check_numpy()
        bundle = Path(args["model_repository"], args["model_version"], BUNDLE)
        self.model = TRITON_MODELS[kind_of(bundle)](bundle)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer a batch of requests; a request that fails alone gets an error, and harms no other."""
        try:
            answers = self.model.answer([self._read(request) for request in requests])
        except Exception as error:
            if len(requests) > 1:
                return [response for request in requests for response in self.execute([request])]
            logger.exception("a request failed")
            text = f"internal error: {type(error).__name__}; Triton's log has the cause"
            return [self.backend.InferenceResponse(error=self.backend.TritonError(text))]
        return [self._respond(answer) for answer in answers]

    def _read(self, request: Any) -> Arrays:
        """Return the inputs of a request by name, ``[item]``."""
        names = [tensor.name for tensor in self.model.inputs]
        tensors = {name: self.backend.get_input_tensor_by_name(request, name) for name in names}
        return {name: tensor.as_numpy()[:, 0] for name, tensor in tensors.items() if tensor is not None}

    def _respond(self, answer: Arrays) -> Any:
        return self.backend.InferenceResponse([self._tensor(tensor, answer) for tensor in self.model.outputs])

    def _tensor(self, tensor: Tensor, answer: Arrays) -> Any:
        values = answer[tensor.name]
        return self.backend.Tensor(tensor.name, np.ascontiguousarray(values.reshape(len(values), *tensor.dims)))

    def _check_numpy(self) -> None:
        """Check that the backend reads numpy's arrays as they are.

        Raises:
            RuntimeError: if not. The backend of Triton 2.51 reads arrays of numpy 2 as zeros.
        """
        values, tensor = np.arange(6.0).reshape(3, 2), self.backend.Tensor
        # Triton reads a copy from memory; as_numpy() of the first tensor would return the array itself.
        copy = tensor.from_dlpack("copy", tensor("values", values).to_dlpack())
        if not np.array_equal(copy.as_numpy(), values):
            raise RuntimeError(
                f"this Triton's Python backend can't read arrays of numpy {np.__version__}; install numpy<2 into the "
                "environment of the model"
            )
